"""Registration of the schemas of the tasks' own topics."""

import asyncio
import sys
from collections.abc import Callable
from functools import partial

from carteiro.cli.exit_codes import EXIT_KAFKA, EXIT_USAGE, exit_with
from carteiro.cli.plural import pluralise
from carteiro.concurrency.retry import retry_while_away
from carteiro.registry.connection import RegisteredSubject, Registry, open_configured_registry
from carteiro.registry.errors import RegistryUnavailable
from carteiro.registry.settings import RegistrySettingsInvalid
from carteiro.settings.environment import load_kafka_settings
from carteiro.tasks.discovery import find_tasks
from carteiro.tasks.task_schemas import TopicSchema, task_schemas
from carteiro.wire.event_format import MemberRefused


def register_schemas(report: Callable[[RegisteredSubject], None], *, wait: bool) -> None:
    """Register the schemas of requests and replies of all tasks, unless they are registered.

    They are of the format that is set for replies; JSON Schema if it is `auto` or `json`. `report` is called after each
    of them. If `wait` is True, wait until the registry answers. Exit with an error if it does not answer, and after the
    last schema if it refused one.
    """
    try:
        registry = open_configured_registry()
        if registry is None:
            exit_with("CARTEIRO_SCHEMA_REGISTRY_URL is not set: it names the registry of the schemas", EXIT_USAGE)
        asyncio.run(_register_all(registry, report, wait=wait))
    except RegistrySettingsInvalid as error:
        exit_with(str(error), EXIT_USAGE)
    except RegistryUnavailable as error:
        exit_with(str(error), EXIT_KAFKA)


async def _register_all(registry: Registry, report: Callable[[RegisteredSubject], None], *, wait: bool) -> None:
    kind, topics = registry.reply_format.schema_type or "JSON", load_kafka_settings().topics
    refused = 0
    try:
        for schema in [each for task in find_tasks() for each in task_schemas(task.request, kind, topics)]:
            try:
                report(await _register(registry, schema, wait=wait))
            except MemberRefused as error:
                refused += 1
                print(f"carteiro: {error}", file=sys.stderr)
    finally:
        await registry.close()
    if refused:
        exit_with(
            f"refused: {pluralise(refused, 'schema')}; the subject may have a schema of another format or version"
        )


async def _register(registry: Registry, each: TopicSchema, *, wait: bool) -> RegisteredSubject:
    work = partial(registry.register, each.topic, each.record_name, each.schema)
    return await (retry_while_away(work, RegistryUnavailable, _print_reason) if wait else work())


def _print_reason(error: RegistryUnavailable) -> None:
    print(f"carteiro: waiting for the schema registry: {error}", file=sys.stderr)

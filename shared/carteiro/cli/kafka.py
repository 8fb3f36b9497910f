"""Connection of a command to Kafka, and its error messages."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from carteiro.cli.exit_codes import EXIT_KAFKA, EXIT_USAGE, exit_with
from carteiro.cli.unknown_variables import warn_unknown_variables
from carteiro.kafka.connection import KafkaUnusable, admin_client, probe_connection, wait_for_kafka
from carteiro.kafka.security import connection_options
from carteiro.settings.environment import SettingsInvalid, load_kafka_settings
from carteiro.settings.kafka import KafkaSettings
from carteiro.wire.compression import Compression
from carteiro.wire.topics import Topics

_T = TypeVar("_T")


class KafkaFailed(Exception):
    """Kafka did not do what the command needs. The message says what, and why."""


@dataclass(frozen=True, slots=True)
class KafkaSession:
    """Session with a cluster that answers."""

    options: dict[str, Any]
    """Options that aiokafka's clients need to connect."""
    topics: Topics
    admin: AIOKafkaAdminClient
    existing: frozenset[str]
    """Topics that exist. Only these may be described: to ask for another topic may create it."""
    compression: Compression

    async def partitions(self, topic: str) -> list[int]:
        """Return the partitions of an existing topic."""
        (found,) = await self.admin.describe_topics([topic])
        return sorted(each["partition"] for each in found["partitions"])


def silence_worker_logs() -> None:
    """Disable the logs of the worker's modules, which repeat each failed attempt: the command reports an error once."""
    # PostgreSQL's pool of connections does so in its own words.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    if "structlog" in sys.modules:
        import structlog

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def log_to_stderr() -> None:
    """Print the logs of the worker's modules on standard error, without a worker's settings of logs."""
    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def read_kafka_settings(*, quiet: bool = True) -> KafkaSettings:
    """Return the settings of Kafka. Exit with an error if they are invalid.

    If `quiet` is True, disable the logs of the worker's modules; else print them on standard error.
    """
    if quiet:
        silence_worker_logs()
    else:
        log_to_stderr()
    warn_unknown_variables()
    try:
        return load_kafka_settings()
    except SettingsInvalid as error:
        exit_with(str(error), EXIT_USAGE)


def with_kafka(
    settings: KafkaSettings, work: Callable[[KafkaSession], Coroutine[Any, Any, _T]], *, wait: bool = False
) -> _T:
    """Run `work` on a connection. Exit with an error if Kafka fails.

    If `wait` is True, wait until a broker answers; each attempt is logged.
    """
    try:
        return asyncio.run(_run_connected(settings, work, wait=wait))
    except SettingsInvalid as error:
        exit_with(str(error), EXIT_USAGE)
    except (KafkaUnusable, KafkaFailed) as error:
        exit_with(str(error), EXIT_KAFKA)
    except KafkaError as error:
        exit_with(f"Kafka at {settings.bootstrap_servers} rejected the command: {error!r}", EXIT_KAFKA)


async def _run_connected(
    settings: KafkaSettings, work: Callable[[KafkaSession], Coroutine[Any, Any, _T]], *, wait: bool
) -> _T:
    options = connection_options(settings)
    if wait:
        await wait_for_kafka(options)
    elif reason := await probe_connection(options):
        if isinstance(reason, KafkaUnusable):
            raise reason
        raise KafkaFailed(
            f"no Kafka broker answers at {settings.bootstrap_servers}; is it running (`carteiro up`)? "
            "CARTEIRO_BOOTSTRAP_SERVERS says where"
        )
    async with admin_client(options) as admin:
        existing = frozenset(await admin.list_topics())
        return await work(KafkaSession(options, settings.topics, admin, existing, settings.compression))

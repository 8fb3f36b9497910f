"""Checks of an enrichment: its file, its topics, its models, and its expressions on an event of the topic."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from aiokafka.errors import KafkaConnectionError, KafkaError
from pydantic import ValidationError

from carteiro.cli.doctor.finding import Finding
from carteiro.cli.enrich.events import read_events
from carteiro.cli.kafka import KafkaFailed, KafkaSession
from carteiro.cli.plural import pluralise
from carteiro.enrichment.enrichment_file import (
    EnrichmentFile,
    EnrichmentFileInvalid,
    EnrichmentStep,
    load_enrichment_file,
)
from carteiro.enrichment.expression import Expression, ExpressionFailed
from carteiro.kafka.connection import admin_client
from carteiro.kafka.security import connection_options
from carteiro.models.errors import ModelUnusable
from carteiro.models.settings import ModelSettings
from carteiro.registry.connection import open_configured_registry, read_as_json
from carteiro.registry.errors import RegistryUnavailable
from carteiro.registry.settings import RegistrySettingsInvalid
from carteiro.schemas import REQUESTS
from carteiro.schemas.field_errors import explain, field_errors
from carteiro.settings.worker import WorkerSettings
from carteiro.wire.event_format import EventUnreadable
from carteiro.wire.json_event import parse_event
from carteiro.wire.json_members import NotJson, to_json
from carteiro.wire.record import Record, record_id
from carteiro.worker.composition.enrichment_trial import check_models

_SAMPLES = 20
_GUARD = "leave such events out by `when`, such as body.text && ..."
_NAMES = "see the names of the event's fields with `carteiro enrich FILE --try 1`"

_Events = list[tuple[str, object]]
"""Ids and documents of events."""


async def check_enrichment(
    path: Path, settings: WorkerSettings, model_settings: ModelSettings
) -> AsyncIterator[Finding]:
    """Yield the findings on the enrichment in a file; only the first if the file is wrong. No model is called."""
    try:
        file = load_enrichment_file(path)
        check_models(file, settings, model_settings)
    except EnrichmentFileInvalid as error:
        for line in str(error).splitlines():
            yield Finding("enrichment", "fault", line, "see docs/use/enrich.md")
        return
    except ModelUnusable as error:
        yield Finding(f"models of {file.name}", "fault", str(error), "see docs/start/models.md")
    else:
        steps = pluralise(len(file.steps), "step")
        yield Finding(f"enrichment {file.name}", "ok", f"{steps}, whose models can be used")
    try:
        options = connection_options(settings)
        async with admin_client(options) as admin:
            existing = frozenset(await admin.list_topics())
            kafka = KafkaSession(options, settings.topics, admin, existing, settings.compression)
            for finding in _check_topics(file, kafka):
                yield finding
            if file.source in kafka.existing:
                async for finding in _check_events(file, await read_events(kafka, file.source, _SAMPLES, None)):
                    yield finding
    except KafkaConnectionError:
        return  # The finding on the broker says so.
    except (KafkaError, KafkaFailed) as error:
        advice = "allow this user to read its topics: docs/run/kafka-security.md"
        yield Finding(f"topics of {file.name}", "fault", str(error) or repr(error), advice)


def _check_topics(file: EnrichmentFile, kafka: KafkaSession) -> Iterator[Finding]:
    what, create = f"topics of {file.name}", f"create {{}}; `carteiro enrich {file.name}.yaml` does so when it starts"
    if file.source not in kafka.existing:
        yield Finding(
            what, "fault", f"there is no {file.source}, which `from` names", "create it; or this user may not see it"
        )
    wanted = [file.target, kafka.topics.dead(file.served_name)]
    if missing := [name for name in wanted if name not in kafka.existing]:
        yield Finding(
            what, "warning", f"there is no {', no '.join(missing)}", create.format("them" if missing[1:] else "it")
        )
    elif file.source in kafka.existing:
        yield Finding(what, "ok", f"{file.source} to {file.target}")


async def _check_events(file: EnrichmentFile, records: list[Record]) -> AsyncIterator[Finding]:
    """Yield findings on the expressions that can be evaluated before any step has run, on the latest events."""
    what, events = f"events of {file.source}", _Events()
    try:
        registry = open_configured_registry()
    except RegistrySettingsInvalid:
        return  # `check_registry` tells it.
    for record in records:
        try:
            if (value := await read_as_json(record, registry)) is not None:
                events.append((record_id(record), parse_event(value).document))
        except EventUnreadable as error:
            yield Finding(what, "warning", f"{record_id(record)}: {error}", "such events follow on_error")
        except RegistryUnavailable as error:
            yield Finding("schema registry", "fault", str(error), "workers wait for it: docs/use/schema-registry.md")
            break
    if registry is not None:
        await registry.close()
    if not events:
        yield Finding(what, "warning", "there is no event yet, so no expression was tried")
        return
    chosen, findings = _try_condition(what, "when", file.when, events)
    for number, step in enumerate(file.steps):
        if not file.steps_before(number):
            name = f"steps.{number}.{{}} ({step.name})"
            asked, found = _try_condition(what, name.format("when"), step.when, chosen)
            findings += [*found, *_try_requests(what, name.format("request"), step, asked)]
    for finding in findings:
        yield finding


def _try_condition(
    what: str, name: str, condition: Expression | None, events: _Events
) -> tuple[_Events, list[Finding]]:
    """Return the events for which a condition is true, and what there is to say of it."""
    if condition is None or not events:
        return events, []
    chosen: _Events = []
    for event_id, event in events:
        try:
            if condition.is_true(event):
                chosen.append((event_id, event))
        except ExpressionFailed as error:
            return [], [Finding(what, "fault", f"{name}: on {event_id}: {error}", _GUARD)]
    if not chosen:
        return [], [Finding(what, "warning", f"{name}: {condition.text} is false on all {len(events)} events", _NAMES)]
    return chosen, [Finding(what, "ok", f"{name}: true on {len(chosen)} of {pluralise(len(events), 'event')}")]


def _try_requests(what: str, name: str, step: EnrichmentStep, events: _Events) -> list[Finding]:
    """Return what there is to say of a step's requests from these events, by the schema of its task."""
    if not events:
        return []
    refused = dict[str, str]()
    for event_id, event in events:
        try:
            REQUESTS[step.task].model_validate_json(to_json(step.request.evaluate(event)))
        except ExpressionFailed as error:
            return [Finding(what, "fault", f"{name}: on {event_id}: {error}", _GUARD)]
        except NotJson as error:
            refused[event_id] = f"the request {error}"
        except ValidationError as error:
            refused[event_id] = explain(field_errors(error, limit=3))
    good = f"{name}: a request from {len(events) - len(refused)} of {pluralise(len(events), 'event')}"
    if not refused:
        return [Finding(what, "ok", good)]
    event_id, reason = next(iter(refused.items()))
    advice = _NAMES if len(refused) == len(events) else _GUARD
    return [Finding(what, "warning", f"{good}; on {event_id}: {reason}", advice)]

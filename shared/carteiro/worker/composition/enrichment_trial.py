"""An enrichment on single events, without its topics: nothing is written, and no offset is committed."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from carteiro.enrichment.enricher import EnrichedEvent, Enricher, StepError
from carteiro.enrichment.enrichment_file import EnrichmentFile
from carteiro.models.settings import ModelSettings
from carteiro.registry.connection import Registry, open_configured_registry, read_as_json
from carteiro.registry.errors import RegistryUnavailable
from carteiro.schemas import Usage
from carteiro.settings.worker import WorkerSettings
from carteiro.wire.event_format import EventUnreadable
from carteiro.wire.json_event import parse_event
from carteiro.wire.record import Record, value_size
from carteiro.worker.composition.context import WorkerContext
from carteiro.worker.composition.enrichment_subscribers import build_pipeline
from carteiro.worker.composition.enrichments import open_step_models, tasks_of
from carteiro.worker.composition.factories import (
    create_budget,
    create_chains,
    create_circuit_breakers,
    create_tier_policy,
)
from carteiro.worker.composition.storage import open_references
from carteiro.worker.enrichment.task_caller import TaskCaller
from carteiro.worker.handling.idempotency import IdempotencyStore
from carteiro.worker.handling.pipeline import Pipeline
from carteiro.worker.handling.reply_cache import ReplyCache
from carteiro.worker.handling.reply_router import ReplyRouter
from carteiro.worker.model_calls.budget import CostBudget, UsageMeter


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One event, before and after."""

    record: Record
    before: bytes | None
    """The event's value, as JSON if it has a schema; None for a tombstone."""
    enriched: EnrichedEvent
    usage: Usage
    seconds: float


@dataclass(frozen=True, slots=True)
class EnrichmentTrial:
    """An enrichment whose models are loaded."""

    file: EnrichmentFile
    pipelines: dict[str, Pipeline]
    budget: CostBudget
    registry: Registry | None

    async def run(self, record: Record, timeout: float) -> TrialResult:
        """Return the result of one event. Its steps fail after `timeout` seconds."""
        meter = UsageMeter(self.budget, self.file.served_name, record.key)
        deadline, began = datetime.now(UTC) + timedelta(seconds=timeout), time.monotonic()
        before = record.value
        if before is None and (size := value_size(record)):
            error = StepError("event", "too_large", f"the event is not read: it has {size:,} bytes")
            return TrialResult(record, before, EnrichedEvent("dead_letter", b"", (error,)), meter.usage, 0.0)
        try:
            # As JSON: to write an event by its schema, the new schema would have to be registered.
            before = await read_as_json(record, self.registry)
            caller = TaskCaller(self.pipelines, record, meter, deadline)
            enricher = Enricher(self.file, caller)
            enriched = await enricher.enrich(parse_event(before)) if before is not None else EnrichedEvent("send", b"")
        except (EventUnreadable, RegistryUnavailable) as error:
            enriched = EnrichedEvent("send", before or b"", (StepError("event", "unreadable", str(error)),))
        return TrialResult(record, before, enriched, meter.usage, time.monotonic() - began)


def check_models(file: EnrichmentFile, settings: WorkerSettings, model_settings: ModelSettings) -> None:
    """Do nothing if the tasks and models of a file's steps exist. Raise `EnrichmentFileInvalid` and `ModelUnusable`."""
    open_step_models([file], tasks_of([file]), settings, model_settings)


@asynccontextmanager
async def open_trial(
    file: EnrichmentFile, settings: WorkerSettings, model_settings: ModelSettings
) -> AsyncIterator[EnrichmentTrial]:
    """Load the models of the steps for the `with` block. Raise `EnrichmentFileInvalid` and `ModelUnusable`."""
    tasks = tasks_of([file])
    opened = open_step_models([file], tasks, settings, model_settings)
    models = {model.name: model for several in opened.values() for model in several}
    breakers = create_circuit_breakers(models.values(), lambda: None)
    chains = create_chains(opened, breakers, create_tier_policy(settings))
    budget = create_budget(settings, models, lambda: None)
    context = WorkerContext(
        settings,
        {},
        ReplyRouter({}),
        IdempotencyStore(1),
        ReplyCache(1),
        budget,
        references=open_references(settings),
    )
    pipelines = {
        step.chain_name: build_pipeline(tasks[step.task], chains[step.chain_name], context) for step in file.steps
    }
    registry = open_configured_registry()
    try:
        for model in models.values():
            await model.load()
        yield EnrichmentTrial(file, pipelines, budget, registry)
    finally:
        if registry is not None:
            await registry.close()
        for breaker in breakers.values():
            await breaker.stop_probing()
        for model in models.values():
            await model.close()

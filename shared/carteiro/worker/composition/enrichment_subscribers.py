"""Composition of the enrichments: the subscribers of their events, and the pipelines of their tasks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from faststream.kafka import KafkaBroker

from carteiro.enrichment.enrichment_file import EnrichmentFile, EnrichmentStep
from carteiro.enrichment.member_schemas import member_schemas, result_schemas
from carteiro.kafka.compacted_topic import CompactedTopic
from carteiro.models.cloud.batch_api.interface import BatchModel
from carteiro.registry.connection import Registry
from carteiro.tasks.task import Task
from carteiro.wire.event_format import EventFormat
from carteiro.wire.json_event import JsonFormat
from carteiro.wire.record import Record
from carteiro.worker.batch_api.batch_first_model import BatchFirstModel
from carteiro.worker.batch_api.coordinator import BatchCoordinator
from carteiro.worker.composition.batch_subscribers import batch_settings
from carteiro.worker.composition.context import WorkerContext
from carteiro.worker.composition.partition_handlers import BatchEnrichmentHandler, EnrichmentHandler
from carteiro.worker.composition.served_topic import ServedTopic
from carteiro.worker.composition.subscribers import build_journals
from carteiro.worker.delivery.subscriber import subscribe
from carteiro.worker.enrichment.event_handler import EventHandler
from carteiro.worker.enrichment.event_outcome import EventOutcome
from carteiro.worker.handling.dead_letters import DeadLetters
from carteiro.worker.handling.pipeline import Pipeline
from carteiro.worker.model_calls.fallback import FallbackChain
from carteiro.worker.observability import metrics


def build_pipeline(task: Task[Any, Any], chain: FallbackChain, context: WorkerContext) -> Pipeline:
    """Return the pipeline of a step's requests. It keeps no conversations and defers nothing."""
    return Pipeline(
        task,
        chain,
        context.idempotency,
        context.cache,
        shows_reasoning=context.settings.show_reasoning,
        references=context.references,
        library=context.library,
        toolbox=context.toolbox,
    )


def event_format(file: EnrichmentFile, registry: Registry | None) -> EventFormat:
    """Return the format of an enrichment's events: that of each event's schema, or JSON without a registry."""
    if registry is None:
        return JsonFormat()
    return registry.event_format(file.target, member_schemas(file, result_schemas()))


def subscribe_to_enrichments(
    broker: KafkaBroker,
    files: Sequence[EnrichmentFile],
    tasks: Sequence[Task[Any, Any]],
    chains: Mapping[str, FallbackChain],
    context: WorkerContext,
    on_joined: Callable[[str], None],
) -> list[ServedTopic]:
    """Subscribe to the events of enrichments. `chains` are those of their steps, by `EnrichmentStep.chain_name`.

    `on_joined` is called with the enrichment's served name at each assignment of partitions.
    """
    by_name = {task.name: task for task in tasks}
    return [_subscribe(broker, file, by_name, chains, context, partial(on_joined, file.served_name)) for file in files]


def _subscribe(
    broker: KafkaBroker,
    file: EnrichmentFile,
    tasks: Mapping[str, Task[Any, Any]],
    chains: Mapping[str, FallbackChain],
    context: WorkerContext,
    on_joined: Callable[[], None],
) -> ServedTopic:
    name, group = file.served_name, context.settings.group_of(file.served_name)
    metrics.initialise_series(name, file.source)
    own_chains = {step.chain_name: chains[step.chain_name] for step in file.steps}
    if file.wait:
        own_chains = {step.chain_name: _batch_first(step, own_chains[step.chain_name]) for step in file.steps}
    pipelines = {
        step.chain_name: build_pipeline(tasks[step.task], own_chains[step.chain_name], context) for step in file.steps
    }
    handler = EventHandler(
        file,
        pipelines,
        context.budget,
        group,
        DeadLetters(context.settings.topics.dead(name), group),
        format=event_format(file, context.registry),
        journals=None if file.wait else build_journals(name, file.source, own_chains.values(), context),
    )
    coordinator = _build_coordinator(file, own_chains, context) if file.wait else None

    async def handle(record: Record) -> EventOutcome:
        return await handler.handle(record, coordinator.deferred_request(record) if coordinator else None)

    subscriber = subscribe(broker, file.source, group, handle, handler.handle_unparsed, context.consumer_options(name))
    partition_handler = (
        BatchEnrichmentHandler(handler, subscriber, context, coordinator)
        if coordinator
        else EnrichmentHandler(handler, subscriber, context)
    )
    subscriber.lanes = context.create_lanes(partition_handler, file.source, on_joined)
    return ServedTopic(name, group, tuple(chains[step.chain_name] for step in file.steps), subscriber, "events")


def _batch_first(step: EnrichmentStep, chain: FallbackChain) -> FallbackChain:
    """Return the chain with a first model that completes prompts by batches."""
    wrapper = partial(BatchFirstModel, task=step.task, is_only_model=len(chain.targets) == 1)
    return FallbackChain([replace(chain.targets[0], batch_wrapper=wrapper), *chain.targets[1:]], chain.tiers)


def _build_coordinator(
    file: EnrichmentFile, chains: Mapping[str, FallbackChain], context: WorkerContext
) -> BatchCoordinator:
    models: dict[str, BatchModel[Any, Any]] = {}
    for chain in chains.values():
        model = chain.targets[0].model
        assert isinstance(model, BatchModel)  # `open_step_models` has checked it
        models[model.name] = model
    topic = CompactedTopic(
        context.settings.topics.batches(file.served_name),
        file.source,
        context.client_options,
        lambda: context.router.producer,
        deletion_effect="forgets which batches are paid for",
    )
    return BatchCoordinator(file.served_name, topic, models, batch_settings(context.settings))

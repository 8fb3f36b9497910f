"""Composition of the subscriber of deferred requests: a task's handler, with a batch coordinator for its prompts."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from faststream.kafka import KafkaBroker

from carteiro.kafka.compacted_topic import CompactedTopic
from carteiro.models.cloud.batch_api.interface import BatchModel
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.task import Task
from carteiro.wire.deferral import original_request
from carteiro.wire.record import Record
from carteiro.worker.batch_api.accumulator import BatchSettings
from carteiro.worker.batch_api.batch_first_model import BatchFirstModel
from carteiro.worker.batch_api.coordinator import BatchCoordinator
from carteiro.worker.composition.context import WorkerContext
from carteiro.worker.composition.partition_handlers import BatchHandler
from carteiro.worker.composition.served_topic import ServedTopic
from carteiro.worker.composition.subscribers import build_handler
from carteiro.worker.delivery.subscriber import subscribe
from carteiro.worker.handling.deferred_outcome import DeferredOutcome
from carteiro.worker.handling.handler import RequestHandler
from carteiro.worker.handling.reply_outcome import ReplyOutcome
from carteiro.worker.model_calls.fallback import FallbackChain
from carteiro.worker.observability import metrics


def subscribe_to_deferred_requests(
    broker: KafkaBroker,
    task: Task[Any, Any],
    chain: FallbackChain,
    context: WorkerContext,
    on_joined: Callable[[str], None],
) -> ServedTopic:
    """Subscribe to a task's deferred requests, which batches serve.

    `on_joined` is called with the task's name at each assignment of partitions.
    """
    deferred_topic = context.settings.topics.deferred(task.name)
    metrics.initialise_series(task.name, deferred_topic)
    coordinator = _build_coordinator(task, chain, context)
    handler = _build_handler(task, chain, context)

    async def handle(record: Record) -> ReplyOutcome | DeferredOutcome:
        return await handler.handle(original_request(record), coordinator.deferred_request(record))

    async def handle_unparsed(record: Record) -> ReplyOutcome:
        return await handler.handle_unparsed(original_request(record))

    options = context.consumer_options(f"{task.name}-batch")
    subscriber = subscribe(broker, deferred_topic, handler.group, handle, handle_unparsed, options)
    subscriber.lanes = context.create_lanes(
        BatchHandler(handler, subscriber, context, coordinator), deferred_topic, partial(on_joined, task.name)
    )
    return ServedTopic(task.name, handler.group, (chain,), subscriber)


def _build_coordinator(task: Task[Any, Any], chain: FallbackChain, context: WorkerContext) -> BatchCoordinator:
    topics, model = context.settings.topics, chain.targets[0].model
    assert isinstance(model, BatchModel)
    topic = CompactedTopic(
        topics.batches(task.name),
        topics.deferred(task.name),
        context.client_options,
        lambda: context.router.producer,
        deletion_effect="forgets which batches are paid for",
    )
    return BatchCoordinator(task.name, topic, {model.name: model}, batch_settings(context.settings))


def batch_settings(settings: WorkerSettings) -> BatchSettings:
    """Return the settings of batches in a worker's settings."""
    return BatchSettings(
        safety_margin=settings.batch_margin_seconds,
        linger=settings.batch_linger_seconds,
        poll_interval=settings.batch_poll_seconds,
        max_items=settings.batch_requests,
    )


def _build_handler(task: Task[Any, Any], chain: FallbackChain, context: WorkerContext) -> RequestHandler:
    """Return the task's handler, in another consumer group, with a first model that completes prompts by batches."""
    # A request that is too late for a batch goes to the next model, or to the same one live if there is no other.
    wrapper = partial(BatchFirstModel, task=task.name, is_only_model=len(chain.targets) == 1)
    batch_first = replace(chain.targets[0], batch_wrapper=wrapper)
    group = f"{context.settings.group_of(task.name)}-batch"
    handler = build_handler(task, FallbackChain([batch_first, *chain.targets[1:]], chain.tiers), context, group)
    return replace(handler, pipeline=replace(handler.pipeline, deferral=None))

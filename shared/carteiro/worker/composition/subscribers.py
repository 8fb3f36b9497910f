"""Composition of a task's parts: FastStream's subscriber, its lanes, and the handler of requests."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from carteiro.kafka.bounded_producer import BoundedProducer
from carteiro.kafka.compacted_topic import CompactedTopic
from carteiro.kafka.topic_watch import TopicWatch
from carteiro.models.abilities import is_remote_embedder
from carteiro.models.interface import BackgroundModel
from carteiro.models.settings import ModelSettings
from carteiro.settings.environment import SettingsInvalid
from carteiro.tasks.task import Task
from carteiro.tasks.task_schemas import task_format
from carteiro.tasks.topic_specs import JOURNAL_CONFIG
from carteiro.worker.batch_api.deferral_policy import DeferralPolicy, supports_batches
from carteiro.worker.composition.context import WorkerContext
from carteiro.worker.composition.partition_handlers import LiveHandler
from carteiro.worker.composition.served_topic import ServedTopic
from carteiro.worker.conversations.store import ConversationStore
from carteiro.worker.delivery.subscriber import subscribe
from carteiro.worker.delivery.topic_state import fetch_partition_count
from carteiro.worker.handling.dead_letters import DeadLetters
from carteiro.worker.handling.handler import RequestHandler
from carteiro.worker.handling.pipeline import Pipeline
from carteiro.worker.handling.request_reader import JsonRequestReader, RequestReader, SchemaRequestReader
from carteiro.worker.journal.store import JournalStore
from carteiro.worker.model_calls.fallback import FallbackChain
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.worker")

_CREATE_TIMEOUT_SECONDS = 5.0


def subscribe_to_requests(
    broker: KafkaBroker,
    task: Task[Any, Any],
    chain: FallbackChain,
    context: WorkerContext,
    on_joined: Callable[[str], None],
) -> ServedTopic:
    """Subscribe to a task's requests, which a fallback chain serves.

    `on_joined` is called with the task's name at each assignment of partitions.
    """
    conversations = _build_conversations(task, context)
    deferred_topic_watch = _watch_deferred_topic(task, chain, context)
    group = context.settings.group_of(task.name)
    journals = build_journals(task.name, context.settings.topics.requests(task.name), [chain], context)
    handler = build_handler(task, chain, context, group, conversations, deferred_topic_watch, journals)
    requests = context.settings.topics.requests(task.name)
    metrics.initialise_series(task.name, requests)
    options = context.consumer_options(task.name)
    subscriber = subscribe(broker, requests, group, handler.handle, handler.handle_unparsed, options)
    subscriber.lanes = context.create_lanes(
        LiveHandler(handler, subscriber, context, conversations), requests, partial(on_joined, task.name)
    )
    if conversations is not None:
        subscriber.background_tasks.append(conversations.watch_deletions)
    if deferred_topic_watch is not None:
        subscriber.background_tasks.append(deferred_topic_watch.run)
    return ServedTopic(task.name, group, (chain,), subscriber)


def _watch_deferred_topic(task: Task[Any, Any], chain: FallbackChain, context: WorkerContext) -> TopicWatch | None:
    """Return a watch of the topic of deferred requests; None if the task defers no requests."""
    if not context.settings.batches or not supports_batches(chain.targets[0].model):
        return None
    deferred, requests = context.settings.topics.deferred(task.name), context.settings.topics.requests(task.name)
    advice = f"create it with as many partitions as {requests} has, or set CARTEIRO_BATCHES=false; until then requests "
    advice += "with wait get an error reply"

    async def partitions() -> int | None:
        assert context.router.producer is not None
        return await fetch_partition_count(context.router.producer, deferred)

    async def create() -> None:
        # A broker that creates topics automatically does so at a lookup of their partitions.
        assert context.router.producer is not None
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_CREATE_TIMEOUT_SECONDS):
                await context.router.producer.partitions_for(deferred)

    watch = TopicWatch(deferred, advice, partitions, create)
    context.topic_watches.append(watch)
    return watch


def build_handler(
    task: Task[Any, Any],
    chain: FallbackChain,
    context: WorkerContext,
    group: str,
    conversations: ConversationStore | None = None,
    deferred_topic_watch: TopicWatch | None = None,
    journals: JournalStore | None = None,
) -> RequestHandler:
    """Return the handler of a task's requests. `group` is its consumer group."""
    settings, topics = context.settings, context.settings.topics
    min_wait = timedelta(seconds=2 * settings.batch_margin_seconds)
    min_deadline = (
        timedelta(seconds=settings.batch_min_deadline_seconds) if settings.batch_min_deadline_seconds else None
    )
    deferral = DeferralPolicy(min_wait, None if task.ordered_by_key else min_deadline) if settings.batches else None
    return RequestHandler(
        Pipeline(
            task,
            chain,
            context.idempotency,
            context.cache,
            conversations,
            settings.show_reasoning,
            deferral,
            context.references,
            context.library,
            context.toolbox,
        ),
        context.router,
        context.budget,
        group=group,
        default_reply_topic=topics.replies(task.name),
        deferred_topic=topics.deferred(task.name),
        topics=topics,
        dead_letters=DeadLetters(topics.dead(task.name), group),
        deferred_topic_watch=deferred_topic_watch,
        reader=_build_reader(task, context),
        journals=journals,
        reply_bucket=context.reply_bucket,
    )


def build_journals(
    name: str, requests: str, chains: Iterable[FallbackChain], context: WorkerContext
) -> JournalStore | None:
    """Return the journals of a topic of requests or events; None if no call of its models is kept.

    Raise `SettingsInvalid` if calls in the background have no journal for their ids.
    """
    if ModelSettings().background and not context.settings.journal:
        raise SettingsInvalid("CARTEIRO_BACKGROUND: needs CARTEIRO_JOURNAL=true, which keeps the ids of answers")
    targets = [target for chain in chains for target in chain.targets]
    if not context.settings.journal or not any(
        target.circuit_breaker is not None and not is_remote_embedder(target.model) for target in targets
    ):
        return None
    topic = CompactedTopic(
        context.settings.topics.journal(name),
        requests,
        context.client_options,
        lambda: context.router.producer,
        deletion_effect="lets a crash repeat finished calls",
        config=JOURNAL_CONFIG,
    )

    def producer() -> BoundedProducer:
        connected = context.router.producer
        assert isinstance(connected, BoundedProducer)
        return connected

    async def partitions() -> int | None:
        return await fetch_partition_count(producer(), topic.name)

    models = [target.model for target in targets]
    background_models = {model.name: model for model in models if isinstance(model, BackgroundModel)}
    return JournalStore(
        name, topic, producer, partitions, context.settings.journal_min_tokens, background_models=background_models
    )


def _build_reader(task: Task[Any, Any], context: WorkerContext) -> RequestReader:
    if context.registry is None:
        return JsonRequestReader()
    return SchemaRequestReader(task.name, task_format(task.request, context.registry, context.settings.topics))


def _build_conversations(task: Task[Any, Any], context: WorkerContext) -> ConversationStore | None:
    if not task.keeps_conversations:
        return None
    topics = context.settings.topics
    name, requests = topics.conversations(task.name), topics.requests(task.name)
    topic = CompactedTopic(
        name,
        requests,
        context.client_options,
        lambda: context.router.producer,
        deletion_effect="forgets all conversations",
    )
    return ConversationStore(topic, context.settings.conversation_tokens)

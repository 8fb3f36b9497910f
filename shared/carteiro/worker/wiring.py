"""How a task's parts are put together: FastStream's subscriber, the lanes it reads for, and what serves requests."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from faststream.kafka import KafkaBroker

from carteiro.worker.answering import Answerer
from carteiro.worker.asking.chain import Chain
from carteiro.worker.asking.spending import Spending
from carteiro.worker.conversing.conversations import Conversations
from carteiro.worker.delivery.at_least_once import AtLeastOnce
from carteiro.worker.delivery.courier import Courier, Delivering
from carteiro.worker.delivery.exactly_once import ExactlyOnce
from carteiro.worker.delivery.lanes import Lanes
from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.delivery.modes import Mode, choose
from carteiro.worker.delivery.producers import acknowledged_producer
from carteiro.worker.delivery.quarantine import Quarantine
from carteiro.worker.delivery.service import Service
from carteiro.worker.delivery.subscriber import WindowSubscriber, subscribe
from carteiro.worker.kafka.addressing import Addresses
from carteiro.worker.kafka.compacted_topic import CompactedTopic
from carteiro.worker.kafka.reaching import why_unreachable
from carteiro.worker.observing import metrics
from carteiro.worker.remembering.caching import Cache
from carteiro.worker.remembering.repeats import Repeats
from carteiro.worker.serving import Server
from carteiro.worker.settings import WorkerSettings
from carteiro.worker.task import Task
from carteiro.worker.waiting.aside import Aside

log = structlog.get_logger("carteiro.worker")

_JOIN_MARGIN_SECONDS = 10
"""How long the group waits for a worker to join again after its drain, and a worker for the group after that."""


@dataclass(slots=True)
class Shared:
    """What all tasks of a worker have in common."""

    settings: WorkerSettings
    options: dict[str, Any]
    """How aiokafka's clients reach Kafka."""
    addresses: Addresses
    repeats: Repeats
    cache: Cache
    spending: Spending
    quarantine: Quarantine = field(default_factory=Quarantine)
    mode: Mode | None = None

    async def connect(self, group: str) -> None:
        """Connect the producer, and see which way of delivery the broker allows a group, unless that is done.

        Raises aiokafka's `KafkaError`, and `KafkaUnusable` where the way that was set is not to be had.
        """
        if self.addresses.producer is None:
            producer = acknowledged_producer(self.options)
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self.addresses.producer = producer
        if self.mode is None:
            self.mode = await choose(self.settings.delivery, self.options, group)
            log.info("delivering", mode=self.mode, window=self.settings.window)

    async def disconnect(self) -> None:
        """Send what is buffered and disconnect."""
        if self.addresses.producer is not None:
            await self.addresses.producer.stop()

    async def reachable(self) -> bool:
        """Whether a broker can be talked to."""
        return await why_unreachable(self.options) is None

    def courier(self, lane: Delivering, subscriber: WindowSubscriber) -> Courier:
        """A lane's way to deliver."""
        if self.mode == "exactly_once":
            return ExactlyOnce(self.options, lane)
        assert self.addresses.producer is not None
        return AtLeastOnce(self.addresses.producer, subscriber.commits, lane)


def wire(
    broker: KafkaBroker,
    task: Task[Any, Any],
    chain: Chain,
    shared: Shared,
    joined: Callable[[], None],
) -> WindowSubscriber:
    """Have a task served by a chain of models. `joined` is called with each assignment."""
    conversations = _conversations(task, shared)
    server = server_of(task, chain, shared, conversations)
    requests = shared.settings.topics.requests(task.name)
    metrics.begin(task.name, requests)
    options = shared.options | consumer_options(shared.settings, task.name)
    subscriber = subscribe(broker, requests, server.group, server.serve, server.lost, options)
    service = Service(
        group=server.group,
        window=shared.settings.window,
        by_key=task.by_key,
        serve=subscriber.serve,
        condemn=server.condemn,
        courier=lambda lane: shared.courier(lane, subscriber),
        may_begin=lambda: chain.parked is None and shared.spending.parked is None,
        quarantine=shared.quarantine,
        prepare=conversations.prepare if conversations else _nothing_to_prepare,
        forget=conversations.forget if conversations else _nothing_to_forget,
    )
    if conversations is not None:
        subscriber.beside.append(conversations.watch)
    subscriber.lanes = Lanes(service, requests, shared.settings.grace_seconds, joined, shared.reachable)
    return subscriber


def server_of(task: Task[Any, Any], chain: Chain, shared: Shared, conversations: Conversations | None = None) -> Server:
    """What serves the requests of a task."""
    settings, topics = shared.settings, shared.settings.topics
    least = timedelta(seconds=2 * settings.batch_margin_seconds)
    far = timedelta(seconds=settings.batch_from_seconds) if settings.batch_from_seconds else None
    aside = Aside(least, None if task.by_key else far) if settings.batches else None
    return Server(
        Answerer(task, chain, shared.repeats, shared.cache, conversations, aside),
        shared.addresses,
        shared.spending,
        group=settings.group_of(task.name),
        replies=topics.replies(task.name),
        dead=topics.dead(task.name),
        waiting=topics.waiting(task.name),
    )


def _conversations(task: Task[Any, Any], shared: Shared) -> Conversations | None:
    if not task.keeps_conversations:
        return None
    topics = shared.settings.topics
    name, requests = topics.conversations(task.name), topics.requests(task.name)
    topic = CompactedTopic(
        name, requests, shared.options, lambda: shared.addresses.producer, loses="forgets all conversations"
    )
    return Conversations(topic, shared.settings.conversation_tokens)


async def _nothing_to_prepare(_: int) -> Ledger | None:
    return None


def _nothing_to_forget(partition: int) -> None:
    pass


def consumer_options(settings: WorkerSettings, task: str) -> dict[str, Any]:
    """How a task's consumer takes part in its group."""
    session_ms = int(settings.session_timeout_seconds * 1000)
    rebalance_ms = int((settings.grace_seconds + _JOIN_MARGIN_SECONDS) * 1000)
    return {
        "session_timeout_ms": session_ms,
        "heartbeat_interval_ms": max(session_ms // 3, 1),
        # The group waits for a drain; and the request to join it waits for everybody's.
        "rebalance_timeout_ms": rebalance_ms,
        "request_timeout_ms": rebalance_ms + _JOIN_MARGIN_SECONDS * 1000,
        "max_poll_interval_ms": int(settings.max_poll_seconds * 1000),
        # Several tasks of one process may be set to the same group, where each instance needs a name of its own.
        "group_instance_id": settings.group_instance_id and f"{settings.group_instance_id}-{task}",
    }

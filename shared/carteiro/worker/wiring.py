"""How a task's parts are put together: FastStream's subscriber, the lanes it reads for, and what serves requests."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from faststream.kafka import KafkaBroker

from carteiro.wire.record import Record
from carteiro.worker.addressing import Addresses
from carteiro.worker.caching import Cache
from carteiro.worker.chain import Chain
from carteiro.worker.conversation_topic import ConversationTopic
from carteiro.worker.conversations import Conversations
from carteiro.worker.delivery.at_least_once import AtLeastOnce
from carteiro.worker.delivery.courier import Courier, Delivering
from carteiro.worker.delivery.exactly_once import ExactlyOnce
from carteiro.worker.delivery.lanes import Lanes
from carteiro.worker.delivery.modes import Mode, choose
from carteiro.worker.delivery.producers import acknowledged_producer
from carteiro.worker.delivery.quarantine import Quarantine
from carteiro.worker.delivery.service import Service
from carteiro.worker.delivery.subscriber import WindowSubscriber, subscribe
from carteiro.worker.kafka import why_unreachable
from carteiro.worker.repeats import Repeats
from carteiro.worker.replying import Reply
from carteiro.worker.serving import Server
from carteiro.worker.settings import WorkerSettings
from carteiro.worker.spending import Spending
from carteiro.worker.task import Task

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
    settings, topics = shared.settings, shared.settings.topics
    group = settings.group or f"carteiro-{task.name}"
    requests = topics.requests(task.name)
    conversations = _conversations(task, shared)
    server = Server(
        task=task,
        chain=chain,
        addresses=shared.addresses,
        repeats=shared.repeats,
        cache=shared.cache,
        spending=shared.spending,
        group=group,
        replies=topics.replies(task.name),
        dead=topics.dead(task.name),
        conversations=conversations,
    )

    async def handle(record: Any) -> Reply:
        return await server.serve(record)

    subscriber = subscribe(broker, requests, group, handle, shared.options | _consumer_options(settings, task.name))

    async def serve(record: Record) -> Reply:
        try:
            reply = await subscriber.serve(record)
        except Exception:
            log.critical("a request could not be read", task=task.name, offset=record.offset, exc_info=True)
            reply = None
        if not isinstance(reply, Reply):
            reply = await server.lost(record)
        reply.handed_over()
        return reply

    service = Service(
        group=group,
        window=settings.window,
        by_key=task.by_key,
        serve=serve,
        condemn=server.condemn,
        courier=lambda lane: shared.courier(lane, subscriber),
        may_begin=lambda: chain.parked is None and shared.spending.parked is None,
        quarantine=shared.quarantine,
        prepare=conversations.prepare if conversations else _nothing_to_prepare,
        forget=conversations.forget if conversations else _nothing_to_forget,
    )
    if conversations is not None:
        subscriber.beside.append(conversations.watch)
    subscriber.lanes = Lanes(service, requests, settings.grace_seconds, joined, shared.reachable)
    return subscriber


def _conversations(task: Task[Any, Any], shared: Shared) -> Conversations | None:
    if not task.keeps_conversations:
        return None
    topics = shared.settings.topics
    name, requests = topics.conversations(task.name), topics.requests(task.name)
    topic = ConversationTopic(name, requests, shared.options, lambda: shared.addresses.producer)
    return Conversations(topic, shared.settings.conversation_tokens)


async def _nothing_to_prepare(partition: int) -> None:
    pass


def _nothing_to_forget(partition: int) -> None:
    pass


def _consumer_options(settings: WorkerSettings, task: str) -> dict[str, Any]:
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

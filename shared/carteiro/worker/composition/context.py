"""Parts that all tasks of a worker share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from carteiro.kafka.broker_limits import BrokerLimits
from carteiro.kafka.connection import probe_connection
from carteiro.kafka.guarantee import Guarantee, select_guarantee
from carteiro.kafka.producers import acknowledged_producer
from carteiro.kafka.topic_watch import TopicWatch
from carteiro.references.bucket import Bucket
from carteiro.registry.connection import Registry
from carteiro.settings.worker import WorkerSettings
from carteiro.worker.delivery.acknowledged import AcknowledgedDelivery
from carteiro.worker.delivery.exclusive_gate import ExclusiveGate
from carteiro.worker.delivery.interface import Delivery, DeliveryContext
from carteiro.worker.delivery.lanes import Lanes
from carteiro.worker.delivery.partition_handler import PartitionHandler
from carteiro.worker.delivery.subscriber import LaneSubscriber
from carteiro.worker.delivery.transactional import TransactionalDelivery
from carteiro.worker.handling.idempotency import IdempotencyStore
from carteiro.worker.handling.reply_cache import ReplyCache
from carteiro.worker.handling.reply_router import ReplyRouter
from carteiro.worker.index.store_connection import StoreConnection
from carteiro.worker.model_calls.budget import CostBudget
from carteiro.worker.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from carteiro.references.reader import ReferenceReader
    from carteiro.worker.handling.library import Library

log = structlog.get_logger("carteiro.worker")

_GATHER_SECONDS = 0.005
"""Seconds between requests to a broker in which replies come together. A produce request for each reply would take a
tenth of a request's processor time. A reply after a pause is sent at once.
"""
_HEARTBEAT_MS = 3000
_JOIN_MARGIN_SECONDS = 10
"""Time that the group waits for a worker to rejoin after its drain, and then the worker for the group."""


@dataclass(slots=True)
class WorkerContext:
    """Settings, connections and stores that all tasks of a worker use."""

    settings: WorkerSettings
    client_options: dict[str, Any]
    """Connection options of aiokafka's clients."""
    router: ReplyRouter
    idempotency: IdempotencyStore
    cache: ReplyCache
    budget: CostBudget
    exclusive_gate: ExclusiveGate = field(default_factory=ExclusiveGate)
    broker_limits: BrokerLimits = field(default_factory=BrokerLimits)
    guarantee: Guarantee | None = None
    topic_watches: list[TopicWatch] = field(default_factory=list)
    """Watches of the topics of deferred requests."""
    registry: Registry | None = None
    """The Schema Registry of events and requests; None if they are JSON."""
    references: "ReferenceReader | None" = None
    """Reader of the texts that requests refer to; None if such requests are rejected."""
    library: "Library | None" = None
    """Collections that requests may name; None if such requests are rejected."""
    reply_bucket: Bucket | None = None
    """Bucket of results that are too large for Kafka; None if there is no such bucket."""
    toolbox: Toolbox | None = None
    """Tools that the worker runs for models; None if it has none."""
    store: StoreConnection | None = None
    """The store of collections; None if the worker fills none."""

    @property
    def pause_reason(self) -> str | None:
        """Reason why no request may begin, whichever model it needs; None if requests may begin."""
        return self.budget.pause_reason or (self.registry.pause_reason if self.registry else None)

    async def connect(self, group: str) -> None:
        """Connect the producer and select the delivery guarantee for a consumer group. Do nothing if that is done.

        Raise aiokafka's `KafkaError`, and `KafkaUnusable` if the broker does not allow the guarantee in the settings.
        """
        if self.router.producer is None:
            producer = acknowledged_producer(
                self.client_options,
                max_produce_bytes=self.settings.max_produce_bytes,
                compression=self.settings.compression,
                gather_seconds=_GATHER_SECONDS,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self.router.producer = producer
        if self.guarantee is None:
            self.guarantee = await select_guarantee(
                self.settings.delivery, self.client_options, group, self.broker_limits
            )
            log.info("delivering", mode=self.guarantee, max_in_flight=self.settings.max_in_flight)

        if self.toolbox is not None:
            self.toolbox.start()

    async def disconnect(self) -> None:
        """Send the buffered records and disconnect."""
        if self.toolbox is not None:
            await self.toolbox.close()
        if self.router.producer is not None:
            await self.router.producer.stop()

    async def is_reachable(self) -> bool:
        """Return True if a broker answers."""
        return await probe_connection(self.client_options) is None

    def create_delivery(self, lane: DeliveryContext, subscriber: LaneSubscriber) -> Delivery:
        """Return a new delivery for a lane, by the selected guarantee."""
        if self.guarantee == "exactly_once":
            return TransactionalDelivery(
                self.client_options,
                lane,
                self.broker_limits,
                max_produce_bytes=self.settings.max_produce_bytes,
                compression=self.settings.compression,
            )
        assert self.router.producer is not None
        subscriber.committer.limits = self.broker_limits
        return AcknowledgedDelivery(self.router.producer, subscriber.committer, lane)

    def create_lanes(self, handler: PartitionHandler, topic: str, on_joined: Callable[[], None]) -> Lanes:
        """Return the lanes of a topic. `on_joined` is called at each assignment of partitions."""
        return Lanes(handler, topic, self.settings.grace_seconds, on_joined, self.is_reachable)

    def consumer_options(self, member: str) -> dict[str, Any]:
        """Return the options of a consumer: of its connection, and of its group membership.

        `member` distinguishes the consumers of this worker. aiokafka's times are in milliseconds.
        """
        settings = self.settings
        session_ms = int(settings.session_timeout_seconds * 1000)
        rebalance_ms = int((settings.grace_seconds + _JOIN_MARGIN_SECONDS) * 1000)
        return self.client_options | {
            "session_timeout_ms": session_ms,
            # By a heartbeat a worker notices that another worker has taken its place, which waits for it until then.
            "heartbeat_interval_ms": max(min(session_ms // 3, _HEARTBEAT_MS), 1),
            # The group waits for the drain of this worker, and the join request waits for the drain of all workers.
            "rebalance_timeout_ms": rebalance_ms,
            "request_timeout_ms": rebalance_ms + _JOIN_MARGIN_SECONDS * 1000,
            "max_poll_interval_ms": int(settings.max_poll_seconds * 1000),
            # Several tasks of one process may be in the same group, in which each instance needs another name.
            "group_instance_id": settings.group_instance_id and f"{settings.group_instance_id}-{member}",
        }

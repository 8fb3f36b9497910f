"""The lane of a partition: from its records to acknowledged outcomes and committed offsets."""

from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from carteiro.concurrency.backoff import Backoff
from carteiro.concurrency.coalesced_call import CoalescedCall
from carteiro.ledger.metadata import TopicIdentity
from carteiro.wire.record_batches.raw_batches import RawBatch
from carteiro.worker.delivery.delivery_loop import DeliveryLoop
from carteiro.worker.delivery.interface import LaneContext
from carteiro.worker.delivery.isolation import CrashIsolation
from carteiro.worker.delivery.lane_state import LaneState
from carteiro.worker.delivery.partition_consumer import PartitionConsumer
from carteiro.worker.delivery.partition_handler import PartitionHandler
from carteiro.worker.delivery.partition_release import PartitionRelease
from carteiro.worker.delivery.partition_state import PartitionState
from carteiro.worker.delivery.partition_takeover import PartitionTakeover
from carteiro.worker.delivery.progress import Progress
from carteiro.worker.delivery.request_runner import RequestRunner
from carteiro.worker.delivery.unconfirmed_outcomes import UnconfirmedOutcomes


class Lane(LaneContext):
    """Serves one partition for as long as it is assigned, even if its delivery fails and restarts.

    `on_record_batches` gives the records to the partition's consumer, which unpacks them into the scheduler.
    `start_ready` lets the runner start them, and the runner queues their outcomes. The delivery loop delivers the
    outcomes and marks the requests finished once the broker has acknowledged them.

    Running requests and unconfirmed outcomes outlive a delivery, and a rebalance that assigns the partition to this
    worker again. Neither makes the lane serve a request twice.
    """

    def __init__(
        self,
        partition: TopicPartition,
        consumer: AIOKafkaConsumer,
        handler: PartitionHandler,
        replace_lane: Callable[["Lane"], None] = lambda _: None,
        drain_seconds: float = 0.0,
        backoff: Backoff | None = None,
    ) -> None:
        """Create a lane that waits for `on_assigned`.

        `replace_lane` is called if the lane's state is invalid: a new lane has to serve the partition. `drain_seconds`
        is the time in which workers finish requests in flight before they release partitions. `backoff` has the pauses
        between failed deliveries.
        """
        self.partition, self.consumer, self.state = partition, consumer, LaneState.SUSPENDED
        self._handler, self._replace_lane = handler, replace_lane
        self._starts = CoalescedCall(self._start_some)
        state, progress = PartitionState(), Progress()
        unconfirmed = UnconfirmedOutcomes(max_gathered=handler.max_in_flight // 2)
        isolation = CrashIsolation(state, handler.exclusive_gate, handler.max_in_flight, self._commit)
        runner = RequestRunner(handler, state, isolation, unconfirmed, progress, self)
        reader = PartitionConsumer(
            partition, consumer, runner.scheduler, isolation, progress, self, handler.max_value_bytes
        )
        takeover = PartitionTakeover(self, handler, state, progress, runner, reader, drain_seconds)
        self.delivery_loop = DeliveryLoop(self, handler, state, unconfirmed, progress, runner, takeover, backoff)
        self._release = PartitionRelease(handler, state, runner, self.delivery_loop)
        self.ledger, self.progress, self._partition_state = state.ledger, progress, state
        self._runner, self._partition_consumer = runner, reader

    @property
    def log_fields(self) -> dict[str, Any]:
        return {"topic": self.partition.topic, "partition": self.partition.partition}

    @property
    def may_start(self) -> bool:
        return self.state.starts

    def on_assigned(self) -> None:
        """Start to serve the partition, which is assigned to this worker. It is paused until the delivery is open."""
        if self.state is LaneState.CLOSED:
            return  # the lane that replaces this one serves the partition
        # A lane that replaced another during a rebalance runs already. What it read was for the assignment before.
        self._partition_consumer.stop()
        self._set_state(LaneState.SUSPENDED)
        self._partition_consumer.on_assigned()
        self._set_state(LaneState.OPENING)
        self.delivery_loop.start()

    def on_owned(self) -> None:
        self._set_state(LaneState.RECOVERING)

    def on_delivery_open(self) -> None:
        if self.state is LaneState.RECOVERING:
            self._set_state(LaneState.SERVING)
        self.start_ready()

    def on_delivery_closed(self) -> None:
        if self.state is LaneState.SERVING:
            self._set_state(LaneState.RECOVERING)

    def replace(self) -> None:
        self._replace_lane(self)

    def on_record_batches(self, batches: Sequence[RawBatch]) -> None:
        """Accept batches of the partition that the consumer has read."""
        self._partition_consumer.on_record_batches(batches)

    def reset_position(self) -> None:
        """Continue to read after the last batch that was accepted."""
        self._partition_consumer.reset_position()

    def on_offset_out_of_range(self) -> None:
        """Reopen the partition, since its log has no record at the next offset and does not end there either."""
        if self._partition_consumer.on_offset_out_of_range():
            self.delivery_loop.restart_delivery()

    def start_ready(self) -> None:
        # Many requests may end or be confirmed in one step of the event loop.
        self._starts.schedule()

    async def revoke(self, seconds: float) -> None:
        """Prepare to release the partition: start nothing, finish running requests within `seconds`, and commit."""
        if self.state.owns:
            self._set_state(LaneState.DRAINING)
            self._partition_consumer.stop()
            await self._release.release(seconds)
        await self.suspend()

    async def release_to_duplicate(self, seconds: float) -> None:
        """Release the partition to a worker with the same instance id, which has replaced this worker in the group.

        The other worker waits for a commit that releases the partition. If it cannot be told to wait, the lane is only
        suspended.
        """
        if self.state.owns and await self._release.announce():
            await self.revoke(seconds)
        else:
            await self.suspend()

    async def suspend(self) -> None:
        """Stop reading and delivering for now. Running requests continue."""
        if self.state is not LaneState.CLOSED:
            self._set_state(LaneState.SUSPENDED)
        await self._stop()

    async def close(self) -> None:
        """Cancel all requests, since another worker owns the partition and sends their replies."""
        self._set_state(LaneState.CLOSED)
        self._handler.on_lost(self.partition.partition)
        await self._stop()
        await self._runner.close()

    def note_topic(self, identity: TopicIdentity, leader_epoch: int) -> None:
        """Compare the topic's current identity and leader epoch with the lane's state, and reopen if they changed."""
        if self.delivery_loop.is_open and self._partition_state.note_topic(identity, leader_epoch):
            self.delivery_loop.restart_delivery()  # opening the delivery checks the log

    def _start_some(self) -> None:
        if self.state is LaneState.CLOSED:
            return  # another lane may serve the partition now
        if self._runner.start_ready():
            self.start_ready()
        self._partition_consumer.continue_reading()

    def _set_state(self, state: LaneState) -> None:
        self.state = self.state.to(state)

    async def _stop(self) -> None:
        self._partition_consumer.stop()
        await self.delivery_loop.stop()

    async def _commit(self) -> None:
        await self.delivery_loop.commit_with_retry()

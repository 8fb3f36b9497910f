"""Delivers the outcomes of a lane, with a new delivery after every failure."""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka.errors import ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from carteiro.concurrency.backoff import Backoff
from carteiro.ledger.ledger import Ledger
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery import group
from carteiro.worker.delivery.interface import DeliveryContext, LaneContext
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.delivery.partition_handler import PartitionHandler
from carteiro.worker.delivery.partition_state import PartitionState
from carteiro.worker.delivery.partition_takeover import PartitionTakeover
from carteiro.worker.delivery.progress import Progress
from carteiro.worker.delivery.request_runner import RequestRunner
from carteiro.worker.delivery.unconfirmed_outcomes import UnconfirmedOutcomes
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.delivery")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_COMMIT_PAUSE = 0.5
_MEMBERSHIP_POLL_SECONDS = 1.0


class DeliveryLoop(DeliveryContext):
    """Runs the delivery of one lane in a task, from `start` to `stop`. It is the context of each of its deliveries."""

    def __init__(
        self,
        lane: LaneContext,
        handler: PartitionHandler,
        partition_state: PartitionState,
        unconfirmed: UnconfirmedOutcomes,
        progress: Progress,
        runner: RequestRunner,
        takeover: PartitionTakeover,
        backoff: Backoff | None = None,
    ) -> None:
        """Create a stopped loop. `backoff` has the pauses between failed deliveries."""
        self.partition, self.group, self.ledger = lane.partition, handler.group, partition_state.ledger
        self.reply_topics = handler.reply_topics
        self._lane, self._handler, self._partition_state = lane, handler, partition_state
        self._unconfirmed, self._progress, self._runner, self._takeover = unconfirmed, progress, runner, takeover
        self._backoff = backoff or Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        self._delivery = handler.create_delivery(self)
        self._task: asyncio.Task[None] | None = None
        self.is_open = False

    @property
    def is_running(self) -> bool:
        """True between `start` and `stop`."""
        return self._task is not None

    @property
    def is_transactional(self) -> bool:
        """True if the delivery commits in transactions."""
        return self._delivery.transactional

    def is_stalled(self, since: float) -> bool:
        """Return True if there was work and no record was read, started or acknowledged since `since`.

        `since` is in seconds of `time.monotonic`.
        """
        if not self.is_running or not self._progress.is_stalled(since):
            return False
        return not self.is_open or self._unconfirmed.in_delivery > 0

    def start(self) -> None:
        """Start to open a delivery, after the one before it is closed."""
        self.is_open = False
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._run(after=self._task))

    def restart_delivery(self) -> None:
        self._lane.on_delivery_closed()
        if self._task is not None:
            self._progress.on_restart()
            self.start()

    async def stop(self) -> None:
        """Close the delivery. Return once that is done."""
        self.is_open = False
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def commit(self) -> None:
        """Commit the current ledger. Raise the delivery's error."""
        await self._delivery.commit()

    async def commit_with_retry(self) -> None:
        """Commit the current ledger, and return once that is done."""
        while True:
            try:
                return await self._delivery.commit()
            except Exception as error:  # noqa: BLE001  # the delivery restarts, and the new one may succeed
                log.debug("a commit has to be tried again", **self.log_fields, reason=repr(error))
                await asyncio.sleep(_COMMIT_PAUSE)

    @property
    def log_fields(self) -> dict[str, Any]:
        return self._lane.log_fields

    def on_acknowledged(self, offset: int, outcome: Outcome) -> bool:
        if not self._unconfirmed.confirm(offset):
            return False
        self.ledger.finish(offset)
        self._partition_state.crash_tracker.drop_finished(self.ledger)
        self._progress.advance()
        outcome.on_acknowledged()
        self._lane.start_ready()
        self._runner.notify_if_idle()
        return True

    def replace_outcome(self, offset: int, outcome: Outcome) -> None:
        self._unconfirmed.replace(offset, outcome)

    def on_topic_unavailable(self, offset: int) -> None:
        self._unconfirmed.mark_blocked(offset)
        self._lane.start_ready()

    def offset_and_metadata(self, ledger: Ledger) -> OffsetAndMetadata:
        return self._partition_state.offset_and_metadata(ledger, self._handler.broker_limits.metadata_bytes)

    def snapshot_records(self, ledger: Ledger) -> Sequence[OutgoingRecord]:
        return self._handler.snapshot_records(self.partition.partition, ledger)

    async def _run(self, after: asyncio.Task[None] | None) -> None:
        """Open the delivery and deliver outcomes, again after every failure, until cancelled."""
        if after is not None:
            await asyncio.gather(after, return_exceptions=True)
        self._backoff.reset()
        consumer, failed = self._lane.consumer, None
        while True:
            try:
                while isinstance(failed, ProducerFenced) and not await group.is_member(consumer):  # noqa: ASYNC110
                    # Only the group knows if another worker has the partition: a restarted broker may fence a producer
                    # that is not replaced. A consumer that is no longer a member joins again because of the heartbeat.
                    await asyncio.sleep(_MEMBERSHIP_POLL_SECONDS)
                await self._open()
                self._backoff.reset()
                await self.deliver()
            except Exception as error:  # noqa: BLE001  # a stalled lane is worse than a retry after any error
                failed = error
            finally:
                self.is_open = False
                self._lane.on_delivery_closed()
                await asyncio.shield(self._delivery.close())
            _raise_if_cancelled()
            metrics.PARTITION_RESTARTS.labels(self.partition.topic).inc()
            log.warning("a partition's delivery failed; restarting it", **self.log_fields, reason=repr(failed))
            await self._backoff.pause()

    async def deliver(self) -> None:
        """Deliver outcomes until cancelled. Raise the delivery's error."""
        # Twice as many may be in flight, so that requests are served during a transaction.
        max_size = min(self._handler.max_per_transaction, self._handler.max_in_flight)
        while True:
            for outcomes in await self._unconfirmed.next_groups(max_size):
                try:
                    await self._delivery.deliver(outcomes)
                except Exception as error:
                    if not self._unconfirmed.on_failed(outcomes, error):
                        raise
                else:
                    self._unconfirmed.on_delivered(outcomes)
                _raise_if_cancelled()

    async def _open(self) -> None:
        self._delivery = self._handler.create_delivery(self)
        await self._takeover.open(self._delivery)
        _raise_if_cancelled()
        self._unconfirmed.requeue_all()
        self.is_open = True
        self._lane.on_delivery_open()


def _raise_if_cancelled() -> None:
    """Raise `CancelledError` if the current task has been cancelled, although it goes on.

    Before Python 3.12, `asyncio.wait_for` drops a cancellation in the step of the event loop in which its result
    arrives. aiokafka waits by it for a broker's answers, and a process that was stopped for a while gets both at once.
    """
    if (task := asyncio.current_task()) is not None and task.cancelling():
        raise asyncio.CancelledError

"""The takeover of a partition: earlier owners are fenced off, finished requests are loaded, and ownership is taken."""

import asyncio
import random

import structlog

from carteiro.ledger.crash_tracker import CrashTracker
from carteiro.ledger.ledger import Ledger
from carteiro.worker.delivery import group
from carteiro.worker.delivery.commit_validation import ValidatedCommit
from carteiro.worker.delivery.interface import Delivery, LaneContext
from carteiro.worker.delivery.lane_logging import log_commit_state, log_invalidated_state, log_skipped_requests
from carteiro.worker.delivery.partition_consumer import PartitionConsumer
from carteiro.worker.delivery.partition_handler import PartitionHandler
from carteiro.worker.delivery.partition_state import PartitionState
from carteiro.worker.delivery.progress import Progress
from carteiro.worker.delivery.request_runner import IN_FLIGHT_FACTOR, RequestRunner

log = structlog.get_logger("carteiro.delivery")

OWNER_ID = random.SystemRandom().getrandbits(32) or 1
"""Random id of this process, by which it differs from earlier owners of a partition."""


class PartitionTakeover:
    """Takes over one partition for each new delivery of its lane."""

    def __init__(
        self,
        lane: LaneContext,
        handler: PartitionHandler,
        partition_state: PartitionState,
        progress: Progress,
        runner: RequestRunner,
        partition_consumer: PartitionConsumer,
        drain_seconds: float,
    ) -> None:
        """Create the takeover. `drain_seconds` is the time that a former owner may take to release the partition."""
        self._lane, self._handler, self._partition_state, self._progress = lane, handler, partition_state, progress
        self._runner, self._partition_consumer, self._drain_seconds = runner, partition_consumer, drain_seconds

    async def open(self, delivery: Delivery) -> None:
        """Open the delivery, take ownership of the partition unless the lane has it, and start to read.

        Raise the error of Kafka or the delivery. Never return if the lane has to be replaced.
        """
        lane, state = self._lane, self._partition_state
        if not lane.state.owns and delivery.transactional:
            await group.wait_for_former_owner(lane.consumer, lane.partition, OWNER_ID, self._drain_seconds)
        await delivery.open(lane.consumer)
        commit = await group.load_validated_commit(lane.consumer, lane.partition, stable=delivery.transactional)
        if (reason := state.invalidation_reason(commit, transactional=delivery.transactional)) is not None:
            log_invalidated_state(reason, self._runner.in_flight, lane.log_fields)
            lane.replace()
            await asyncio.Event().wait()  # until the loop is stopped with its lane
        log_commit_state(commit, lane.log_fields, keeps_metadata=state.broker_keeps_metadata)
        await self._merge(commit)
        if not self._partition_consumer.is_reading:
            state.ledger.reset_to(self._runner.offsets)
        log_skipped_requests(state.ledger.skip_to(commit.log.start), commit, lane.log_fields)
        seen_end = state.ledger.next_unseen
        state.note_read(await group.fetch_leader_epoch(lane.consumer, lane.partition), seen_end)
        await delivery.commit()
        state.note_committed()
        if not self._partition_consumer.is_reading and lane.state.reads:
            self._partition_consumer.start(state.ledger.committable, commit.log)

    async def _merge(self, commit: ValidatedCommit) -> None:
        """Mark finished the requests that are finished in the commit, and take ownership unless the lane has it."""
        lane, state = self._lane, self._partition_state
        state.merge_commit(commit)
        if not lane.state.owns:
            with self._progress.preparing():
                snapshot = await self._handler.on_assigned(lane.partition.partition)
            valid = commit.validate_snapshot(snapshot, keeps_metadata=state.broker_keeps_metadata)
            state.ledger.merge(valid or Ledger())
        self._runner.cancel_finished()
        if not lane.state.owns:
            self._take_ownership(commit.crash_tracker)

    def _take_ownership(self, crash_tracker: CrashTracker) -> None:
        """Become the owner in the partition's commits, and mark the requests in flight of an owner that crashed."""
        resumes, max_in_flight = self._handler.resumable, self._handler.max_in_flight * IN_FLIGHT_FACTOR
        self._partition_state.crash_tracker = CrashTracker() if resumes else crash_tracker
        self._lane.on_owned()
        if not resumes and crash_tracker.claim(OWNER_ID, self._partition_state.ledger, max_in_flight):
            fields = self._lane.log_fields
            log.warning("the partition's last owner died; its requests in flight are served again", **fields)

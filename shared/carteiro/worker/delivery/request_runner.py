"""Runs the requests of a partition, as many at once as its concurrency limit and its commits allow."""

import asyncio

from carteiro.ledger.crash_tracker import MAX_CRASHES
from carteiro.ledger.metadata import MAX_METADATA_BYTES, fits_one_more
from carteiro.wire.record import Record
from carteiro.wire.record_batches.record_parser import SkippedOffsets
from carteiro.worker.delivery.exclusive_gate import IsolationGroup
from carteiro.worker.delivery.interface import WorkStarter
from carteiro.worker.delivery.isolation import CrashIsolation
from carteiro.worker.delivery.outcome import NoReplyOutcome
from carteiro.worker.delivery.partition_handler import PartitionHandler
from carteiro.worker.delivery.partition_state import PartitionState
from carteiro.worker.delivery.progress import Progress
from carteiro.worker.delivery.scheduler import KeyedScheduler
from carteiro.worker.delivery.unconfirmed_outcomes import UnconfirmedOutcomes

IN_FLIGHT_FACTOR = 2
"""Requests in flight, as a multiple of the concurrency limit: as many may run as may be finished and unconfirmed.

So short requests use the full limit while replies are being delivered. Requests in flight cost a second call if the
worker crashes.
"""
_MAX_STARTS = 8
"""Requests that start in one step of the event loop. Replies and the steps of a transaction would wait for more."""


class RequestRunner:
    """The runner of one lane. `starter` is called after a request has ended, so that others may start."""

    def __init__(
        self,
        handler: PartitionHandler,
        partition_state: PartitionState,
        isolation: CrashIsolation,
        unconfirmed: UnconfirmedOutcomes,
        progress: Progress,
        starter: WorkStarter,
    ) -> None:
        self._handler, self._partition_state, self._isolation = handler, partition_state, isolation
        self._unconfirmed, self._progress, self._starter = unconfirmed, progress, starter
        self.scheduler = KeyedScheduler(
            handler.max_in_flight, partition_state.ledger.admit, by_key=handler.by_key, can_admit=self._can_admit
        )
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._replacements = 0
        """Requests that have started in the place of others since the last `start_ready`, and count as its starts."""
        self._idle = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Number of requests that run or whose outcome is not confirmed yet."""
        return len(self._tasks) + len(self._unconfirmed)

    @property
    def offsets(self) -> list[int]:
        """Offsets of the requests in flight."""
        return [*self._tasks, *self._unconfirmed.offsets]

    def start_ready(self) -> bool:
        """Start some of the requests that may start. Return False if no more may start."""
        started, self._replacements = self._replacements, 0
        while started < _MAX_STARTS:
            if (record := self._next_record()) is None:
                return False
            self._tasks[record.offset] = asyncio.create_task(self._run(record))
            started += 1
        return True

    def cancel_finished(self) -> None:
        """Cancel the requests that another owner has finished: only its replies count."""
        for offset in [each for each in self._tasks if self._partition_state.ledger.is_finished(each)]:
            self._tasks[offset].cancel()
        self._unconfirmed.drop_finished(self._partition_state.ledger.is_finished)
        self.notify_if_idle()

    async def drain(self) -> None:
        """Wait until nothing is in flight. Outcomes for topics that take no records now get a fallback record."""
        self._idle.clear()
        self._unconfirmed.fall_back_blocked()
        self.notify_if_idle()
        await self._idle.wait()

    async def close(self) -> None:
        """Cancel all requests and drop their outcomes, since another worker sends their replies."""
        self._unconfirmed.close()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def notify_if_idle(self) -> None:
        """Let `drain` return if nothing is in flight."""
        if not self._tasks and not self._unconfirmed:
            self._idle.set()

    @property
    def _has_room(self) -> bool:
        """True if one more request may be in flight. The factor does not apply while replies do not get through."""
        in_flight, limit = len(self._tasks) + self._unconfirmed.in_delivery, self._handler.max_in_flight
        return in_flight < limit or (in_flight < limit * IN_FLIGHT_FACTOR and not self._unconfirmed.is_stalled)

    def _can_admit(self) -> bool:
        """Return True if the ledger with one more unfinished offset still fits into a commit.

        It may exceed `max_unfinished` as long as it fits: requests that wait for their key are unfinished too, and so
        are those whose replies are being delivered.
        """
        handler, limit, max_unfinished = (
            self._handler,
            self._handler.broker_limits.metadata_bytes,
            self._handler.max_unfinished,
        )
        if limit and not handler.snapshots:
            max_unfinished = max(max_unfinished * limit // MAX_METADATA_BYTES, 1)
        ledger = self._partition_state.ledger
        return ledger.admitted < max_unfinished or fits_one_more(ledger, limit)

    def _next_record(self) -> Record | None:
        """Return the record of a request to start now, or None. The suspects before it are started, each isolated."""
        while self._has_room and self._starter.may_start and self._handler.accepts_work():
            if (record := self.scheduler.next()) is None:
                return None
            if isinstance(record, SkippedOffsets):
                self.scheduler.mark_done(record.offset)
                self._unconfirmed.put(record.offset, NoReplyOutcome())
            elif self._partition_state.crash_tracker.is_suspect(record.offset):
                self.scheduler.exempt += 1
                group = self._isolation.group_for(record.offset)
                self._tasks[record.offset] = asyncio.create_task(self._handle_isolated(record, group))
            else:
                return record
        return None

    async def _run(self, first: Record) -> None:
        """Serve a request, and then others in its place.

        A new task would start two steps of the event loop later, a hundredth of a call of 0.2 seconds.
        """
        task, record = self._tasks[first.offset], first
        while True:
            await self._handle(record)
            if self._replacements >= _MAX_STARTS or (following := self._next_record()) is None:
                return
            record = following
            self._tasks[record.offset] = task
            self._replacements += 1

    async def _handle(self, record: Record) -> None:
        try:
            await self._handler.exclusive_gate.acquire_shared()
            try:
                outcome = await self._handler.handle(record)
            finally:
                self._handler.exclusive_gate.release_shared()
        finally:
            self._on_ended(record.offset)
        self._unconfirmed.put(record.offset, outcome)
        self._starter.start_ready()

    async def _handle_isolated(self, record: Record, group: IsolationGroup) -> None:
        offset, handler = record.offset, self._handler
        # The check comes before the start is recorded: the coming run must not count as a crash.
        is_poison = self._partition_state.crash_tracker.is_poison(offset)
        try:
            async with group.membership(offset):
                outcome = await (handler.reject_poison(record, MAX_CRASHES) if is_poison else handler.handle(record))
                # The next suspect may crash the process, so the outcome of this request has to be confirmed first.
                await self._unconfirmed.put_and_wait(offset, outcome)
        finally:
            self.scheduler.exempt -= 1
            self._on_ended(offset)
        self._starter.start_ready()
        self.notify_if_idle()

    def _on_ended(self, offset: int) -> None:
        del self._tasks[offset]
        self.scheduler.mark_done(offset)
        self._progress.advance()

"""Isolation of the requests and batches of a partition that may have crashed a worker."""

import asyncio
from collections.abc import Awaitable, Callable

from carteiro.wire.record_batches.raw_batches import RawBatch
from carteiro.worker.delivery.exclusive_gate import ExclusiveGate, IsolationGroup
from carteiro.worker.delivery.partition_state import PartitionState

_GROUPS = 4
"""Number of groups into which the concurrency limit is divided. Groups of suspects run one after the other."""
_POLL_SECONDS = 0.5


class CrashIsolation:
    """Isolation for one lane. `commit` returns once the lane's current state is committed."""

    def __init__(
        self,
        partition_state: PartitionState,
        gate: ExclusiveGate,
        max_in_flight: int,
        commit: Callable[[], Awaitable[None]],
    ) -> None:
        self._partition_state, self._gate, self._max_in_flight, self._commit = (
            partition_state,
            gate,
            max_in_flight,
            commit,
        )
        self._group: IsolationGroup | None = None
        """The group of suspects that the next suspect may join."""
        self._poison_batch = -1
        """The last offset of a batch that is skipped since it crashed its workers; -1 for none."""

    @property
    def must_isolate_batches(self) -> bool:
        """True if each batch must be unpacked isolated first, since a batch may have crashed the last owners."""
        return self._partition_state.crash_tracker.must_isolate_batches

    def group_for(self, offset: int) -> IsolationGroup:
        """Return the group in which a suspect is served."""
        if self._partition_state.crash_tracker.must_isolate(offset):
            group = IsolationGroup(self._gate, 1, self._record_isolated_start)
        elif self._group is not None and self._group.join(offset):
            return self._group
        else:
            group = self._group = IsolationGroup(
                self._gate, max(self._max_in_flight // _GROUPS, 1), self._record_group_start
            )
        group.join(offset)
        return group

    async def unpack_isolated(self, batch: RawBatch, unpack: Callable[[], Awaitable[None]]) -> str | None:
        """Await `unpack` while no request runs, after a commit has recorded that it may crash the process.

        Return None if the batch was unpacked. Return the reason if the batch must be skipped, "" if all its records are
        finished.
        """
        tracker, ledger, last = self._partition_state.crash_tracker, self._partition_state.ledger, batch.last_offset
        if all(map(ledger.is_finished, range(max(batch.base_offset, batch.start_offset), last + 1))):
            return ""
        if tracker.survived_batch(last):
            return None
        if tracker.is_poison_batch(last):
            self._poison_batch = last
            return f"the worker ended {tracker.isolated_batch_starts} times while it unpacked them"
        # A later batch would overwrite the mark of the poison batch before the skip is committed.
        while tracker.isolated_batch == self._poison_batch >= 0:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        batch_group = IsolationGroup(self._gate, 1, self._record_batch_start)
        batch_group.join(last)
        async with batch_group.membership(last):
            await unpack()
            tracker.record_batch_end()
            await self._commit()
        return None

    async def _record_isolated_start(self, offset: int) -> None:
        if not self._partition_state.crash_tracker.is_poison(offset):
            self._partition_state.crash_tracker.record_isolated_start(offset)
            await self._commit()

    async def _record_batch_start(self, last: int) -> None:
        self._partition_state.crash_tracker.record_batch_start(last)
        await self._commit()

    async def _record_group_start(self, last: int) -> None:
        self._partition_state.crash_tracker.record_group_start(last)
        await self._commit()

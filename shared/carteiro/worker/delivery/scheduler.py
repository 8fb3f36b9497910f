"""The order in which a partition's requests start. Pure: no Kafka, no clock."""

from collections import deque
from collections.abc import Callable, Iterable

from carteiro.wire.record import Record, record_size

MAX_QUEUED = 2_500
"""Maximum records of one partition that wait for their keys.

A ledger with that many unfinished offsets still fits into a commit if the offsets are close to each other.
"""
MAX_QUEUED_BYTES = 32 * 1024 * 1024


def _always() -> bool:
    return True


class KeyedScheduler:
    """A scheduler that starts records in the order they were read, at most `max_running` at once.

    `admit` is called with the offset of each record in that order, and returns True if the record must run. `can_admit`
    is called first: while it returns False, no further record is admitted. With `by_key`, the records of one key run
    one after the other, in their order. A record without a key waits for no other record.

    Keys take turns: after its record has run, a key goes behind the keys that are ready already. Records that wait for
    their key are bounded by `MAX_QUEUED` and `MAX_QUEUED_BYTES`. Up to these bounds, a busy key does not block others.
    """

    def __init__(
        self,
        max_running: int,
        admit: Callable[[int], bool],
        *,
        by_key: bool,
        can_admit: Callable[[], bool] = _always,
    ) -> None:
        self.max_running = max_running
        self.exempt = 0
        """Running records exempt from the limit."""
        self._admit, self._can_admit = admit, can_admit
        self._by_key = by_key
        self._buffer: deque[Record] = deque()
        self._queued_by_key: dict[bytes, deque[Record]] = {}
        """For each key that runs or is ready, the records that wait for it."""
        self._ready: deque[Record] = deque()
        """Admitted records that may start."""
        self.queued = 0
        """Number of records that wait for another record of their key."""
        self.queued_bytes = 0
        self.buffered_bytes = 0
        """Bytes of the records that were read and are not admitted yet."""
        self.running: dict[int, bytes | None] = {}
        """Keys of the running records, by offset."""

    @property
    def buffered(self) -> int:
        """Number of records that were read and are not admitted yet."""
        return len(self._buffer)

    def add(self, records: Iterable[Record]) -> None:
        """Append records that were read, in the order of their offsets."""
        for record in records:
            self._buffer.append(record)
            self.buffered_bytes += record_size(record)

    def clear(self) -> None:
        """Drop the records that do not run: they will be read again."""
        self._buffer.clear()
        self._ready.clear()
        self.queued = self.queued_bytes = self.buffered_bytes = 0
        self._queued_by_key = {key: deque() for key in self.running.values() if key is not None}

    def next(self) -> Record | None:
        """Return a record that may start now, or None. The record then counts as running."""
        if len(self.running) - self.exempt >= self.max_running:
            return None
        # One new record is admitted for each record that starts, so keys that are read later also get their turn.
        if len(self._ready) <= self.max_running:
            self._admit_next()
        if not self._ready:
            return None
        record = self._ready.popleft()
        self.running[record.offset] = record.key if self._by_key else None
        return record

    def mark_done(self, offset: int) -> None:
        """Mark a running record as done. The next record of its key is then ready."""
        key = self.running.pop(offset)
        if key is None:
            return
        if queued := self._queued_by_key[key]:
            record = queued.popleft()
            self.queued -= 1
            self.queued_bytes -= record_size(record)
            self._ready.append(record)
        else:
            del self._queued_by_key[key]

    def _admit_next(self) -> None:
        """Admit records until a record is ready or there is no more room. Queue the records of busy keys."""
        while self._buffer and self._can_admit():
            record = self._buffer[0]
            queued = self._queued_by_key.get(record.key) if self._by_key and record.key is not None else None
            if queued is not None and (self.queued >= MAX_QUEUED or self.queued_bytes >= MAX_QUEUED_BYTES):
                return
            self._buffer.popleft()
            self.buffered_bytes -= record_size(record)
            if not self._admit(record.offset):
                continue
            if queued is None:
                if self._by_key and record.key is not None:
                    self._queued_by_key[record.key] = deque()
                self._ready.append(record)
                return
            queued.append(record)
            self.queued += 1
            self.queued_bytes += record_size(record)

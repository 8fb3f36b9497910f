"""The offset ledger: the finished and unfinished offsets of a partition. Pure: no Kafka, no clock.

Requests finish in any order, but a committed offset says only "everything before this is finished". The ledger also
holds the unfinished offsets among those that it has seen. `carteiro.ledger.metadata` writes it into the
commit, so the next owner of the partition serves no finished request again.
"""

from collections.abc import Collection, Iterable


class Ledger:
    """Every offset below `next_unseen` is finished, except the unfinished ones. Later offsets are unknown.

    Offsets without a record (compacted records, transaction markers) count as finished once a later record of the
    partition has been read.
    """

    def __init__(self, end: int = 0, unfinished: Iterable[int] = ()) -> None:
        self._unfinished = dict.fromkeys(unfinished)  # in increasing order
        self._unclaimed = dict(self._unfinished)
        self._next_unseen = end
        self._floor = self.committable

    @property
    def committable(self) -> int:
        """The lowest offset that is not finished: the offset to commit."""
        return next(iter(self._unfinished), self._next_unseen)

    @property
    def next_unseen(self) -> int:
        """The highest offset that was seen, plus one."""
        return self._next_unseen

    @property
    def unfinished(self) -> Collection[int]:
        """The offsets below `next_unseen` that are not finished, in increasing order."""
        return self._unfinished.keys()

    @property
    def admitted(self) -> int:
        """Number of unfinished offsets that are admitted: they are served now, or wait for it."""
        return len(self._unfinished) - len(self._unclaimed)

    def admit(self, offset: int) -> bool:
        """Admit a record that was read, in the partition's order. Return True if it must be served.

        Return False if the record is finished or already admitted. A record before the committed offset means that the
        partition was deleted and created again, or that its offset was reset. The ledger is then invalid, so it starts
        again at `offset`.
        """
        if offset < self._floor:
            self.__init__(offset)  # type: ignore[misc]
        while self._unclaimed and (gone := next(iter(self._unclaimed))) < offset:
            # The offset was not finished, but its record no longer exists, so it cannot be served.
            self.finish(gone)
        if offset >= self._next_unseen:
            self._unfinished[offset] = None
            self._next_unseen = offset + 1
            return True
        if offset in self._unclaimed:
            del self._unclaimed[offset]
            return True
        return False

    def finish(self, offset: int) -> None:
        """Mark an offset finished; the broker has acknowledged its outcome."""
        self._unfinished.pop(offset, None)
        self._unclaimed.pop(offset, None)

    def is_finished(self, offset: int) -> bool:
        """Return True if the offset was seen and is finished."""
        return offset < self._next_unseen and offset not in self._unfinished

    def reset_to(self, in_flight: Collection[int]) -> None:
        """Prepare to read again from `committable`: unfinished offsets can be admitted again, except `in_flight`."""
        self._unclaimed = {offset: None for offset in self._unfinished if offset not in in_flight}
        self._floor = self.committable

    def merge(self, other: "Ledger") -> None:
        """Mark finished each offset that is finished in either ledger."""
        known = self._next_unseen
        shorter, longer = (self, other) if self.next_unseen <= other.next_unseen else (other, self)
        merged = [each for each in longer.unfinished if each >= shorter.next_unseen or each in shorter.unfinished]
        self._unfinished, self._next_unseen = dict.fromkeys(merged), longer.next_unseen
        self._unclaimed = {each: None for each in merged if each in self._unclaimed or each >= known}

    def truncated_at(self, next_unseen: int) -> "Ledger":
        """Return a copy of the ledger in which `next_unseen` and later offsets are unknown."""
        return Ledger(min(self._next_unseen, next_unseen), (each for each in self._unfinished if each < next_unseen))

    def skip_to(self, start: int) -> int:
        """Mark finished the offsets before `start` (the log's start) that are not admitted. Return their number."""
        gone = [offset for offset in self._unclaimed if offset < start]
        for offset in gone:
            self.finish(offset)
        skipped, self._next_unseen = max(start - self._next_unseen, 0), max(self._next_unseen, start)
        return len(gone) + skipped

    def copy(self) -> "Ledger":
        """Return an independent copy."""
        return Ledger(self._next_unseen, self._unfinished)

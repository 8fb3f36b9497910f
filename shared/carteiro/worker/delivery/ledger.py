"""Which records of a partition are done. Pure: no Kafka, no clock.

Requests finish in any order, but a committed offset says only "everything before this is done". The ledger knows
the rest: of the offsets it has seen, those that are still open. `carteiro.worker.delivery.metadata` writes it into
the commit, so that the next owner of the partition does none of the finished ones again.
"""

from collections.abc import Collection, Iterable


class Ledger:
    """Every offset below `end` is finished, except the open ones; nothing is known of `end` and beyond.

    Offsets that hold no record (compacted away, transaction markers) count as finished: they are passed over
    once a later record of the partition has been read.
    """

    def __init__(self, end: int = 0, still_open: Iterable[int] = ()) -> None:
        self._open = dict.fromkeys(still_open)  # in increasing order
        self._owed = dict(self._open)
        self._end = end
        self._floor = self.low

    @property
    def low(self) -> int:
        """The lowest offset that is not finished: what is committed."""
        return next(iter(self._open), self._end)

    @property
    def end(self) -> int:
        """One more than the highest offset that was seen."""
        return self._end

    @property
    def still_open(self) -> Collection[int]:
        """The offsets below `end` that are not finished, in increasing order."""
        return self._open.keys()

    @property
    def taken(self) -> int:
        """How many of the open offsets are being served, or wait for it."""
        return len(self._open) - len(self._owed)

    def take(self, offset: int) -> bool:
        """A record was read, in the partition's order. Returns whether it is now to be served: not if it is
        finished, or being served already.

        A record from before what was committed means that the partition began anew (it was deleted and made
        again, or offsets were reset): nothing that the ledger knew is true of it, so it begins anew too.
        """
        if offset < self._floor:
            self.__init__(offset)  # type: ignore[misc]
        while self._owed and (gone := next(iter(self._owed))) < offset:
            # It was not finished, but its record is no longer there to be served.
            self.finish(gone)
        if offset >= self._end:
            self._open[offset] = None
            self._end = offset + 1
            return True
        if offset in self._owed:
            del self._owed[offset]
            return True
        return False

    def finish(self, offset: int) -> None:
        """The record's reply is where it belongs."""
        self._open.pop(offset, None)
        self._owed.pop(offset, None)

    def finished(self, offset: int) -> bool:
        """Whether nothing is left to do for this offset."""
        return offset < self._end and offset not in self._open

    def rewind(self, kept: Collection[int]) -> None:
        """Reading goes back to `low`: of the open offsets, all but those `kept` are to be served when read again."""
        self._owed = {offset: None for offset in self._open if offset not in kept}
        self._floor = self.low

    def merge(self, other: "Ledger") -> None:
        """Count as finished what either of the two knows as finished."""
        known = self._end
        shorter, longer = (self, other) if self.end <= other.end else (other, self)
        merged = [each for each in longer.still_open if each >= shorter.end or each in shorter.still_open]
        self._open, self._end = dict.fromkeys(merged), longer.end
        self._owed = {each: None for each in merged if each in self._owed or each >= known}

    def copy(self) -> "Ledger":
        """One that changes on its own."""
        return Ledger(self._end, self._open)

"""Which of a partition's requests may begin. Pure: no Kafka, no clock."""

from collections import deque
from collections.abc import Callable, Iterable

from carteiro.wire.record import Record

_WAITING = 4
"""How many times a window's size may wait for their keys, so that one busy key leaves the others room."""


class Window:
    """Records in the order they were read, of which up to `size` run at once.

    `take` is asked of each in that order whether it is to run at all. Where `by_key`, those of one key run one after
    the other, in their order; a record without a key has none.
    """

    def __init__(self, size: int, take: Callable[[int], bool], *, by_key: bool) -> None:
        self.size = size
        self.aside = 0
        """How many of those that run do not count."""
        self._take = take
        self._by_key = by_key
        self._buffer: deque[Record] = deque()
        self._behind: dict[bytes, deque[Record]] = {}
        """For each key that runs, those that wait for it."""
        self._free: deque[Record] = deque()
        """Records whose key has become free: older than all in the buffer."""
        self.waiting = 0
        self.running: dict[int, bytes | None] = {}
        """The offsets that run, with their keys."""

    @property
    def buffered(self) -> int:
        """How many records have been read and neither begun nor put behind another of their key."""
        return len(self._buffer)

    def add(self, records: Iterable[Record]) -> None:
        """Records were read, in the order of their offsets."""
        self._buffer.extend(records)

    def clear(self) -> None:
        """Forget what has not begun: it will be read again."""
        self._buffer.clear()
        self._free.clear()
        self.waiting = 0
        self._behind = {key: deque() for key in self.running.values() if key is not None}

    def next(self) -> Record | None:
        """A record that may now begin, if there is one and room for it. It then counts as running."""
        if len(self.running) - self.aside >= self.size:
            return None
        if self._free:
            self.waiting -= 1
            return self._begin(self._free.popleft())
        while self._buffer:
            record = self._buffer[0]
            behind = self._behind.get(record.key) if self._by_key and record.key is not None else None
            if behind is not None and self.waiting >= self.size * _WAITING:
                return None
            self._buffer.popleft()
            if not self._take(record.offset):
                continue
            if behind is None:
                return self._begin(record)
            behind.append(record)
            self.waiting += 1
        return None

    def done(self, offset: int) -> None:
        """A record has run."""
        key = self.running.pop(offset)
        if key is None:
            return
        if behind := self._behind[key]:
            self._free.append(behind.popleft())
        else:
            del self._behind[key]

    def _begin(self, record: Record) -> Record:
        key = record.key if self._by_key else None
        self.running[record.offset] = key
        if key is not None:
            self._behind.setdefault(key, deque())
        return record

"""A store of values in memory, for a while."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_MAX_VALUES, _MAX_BYTES = 10_000, 64 * 2**20


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    value: T
    size: int
    expires_at: float


class ExpiringStore(Generic[T]):
    """Values by key. Each is stored for `seconds` seconds; if there are too many, the oldest are removed first."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        max_values: int = _MAX_VALUES,
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        self._seconds, self._clock, self._max_values, self._max_bytes = seconds, clock, max_values, max_bytes
        self._entries: OrderedDict[bytes, _Entry[T]] = OrderedDict()
        """The oldest first."""
        self._bytes = 0

    def get(self, key: bytes) -> T | None:
        """Return the value under a key; None if it is not stored any more."""
        now = self._clock()
        while self._entries and next(iter(self._entries.values())).expires_at < now:
            self._remove(next(iter(self._entries)))
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    def put(self, key: bytes, value: T, size: int) -> None:
        """Store a value of `size` bytes."""
        self._remove(key)
        self._entries[key] = _Entry(value, size, self._clock() + self._seconds)
        self._bytes += size
        while len(self._entries) > self._max_values or self._bytes > self._max_bytes:
            self._remove(next(iter(self._entries)))

    def _remove(self, key: bytes) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self._bytes -= entry.size

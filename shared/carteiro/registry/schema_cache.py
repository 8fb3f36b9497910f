"""Cache of what is made from schemas: bounded, computed once for all events that wait for it."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from carteiro.concurrency.single_flight import SingleFlight
from carteiro.wire.event_format import EventUnreadable, MemberRefused

T = TypeVar("T")
_FAILURES = (EventUnreadable, MemberRefused)
"""Failures that belong to the schema, so that the next event of it has the same one."""


class SchemaCache(Generic[T]):
    """Cache by key. The entry that was not used for the longest time goes first.

    A failure that belongs to the schema is kept too, for `failure_seconds`: a new try for each event would ask the
    registry for each event.
    """

    def __init__(self, max_entries: int, failure_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_entries, self._failure_seconds, self._clock = max_entries, failure_seconds, clock
        self._entries: OrderedDict[bytes, T] = OrderedDict()
        self._failures: OrderedDict[bytes, tuple[float, Exception]] = OrderedDict()
        self._flights: SingleFlight[T] = SingleFlight()

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, key: bytes, make: Callable[[], Awaitable[T]]) -> T:
        """Return the entry of `key`; `make` makes a missing one. Raise any error of `make`."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            return entry
        return (await self._flights.run(key, lambda: self._make(key, make)))[0]

    async def _make(self, key: bytes, make: Callable[[], Awaitable[T]]) -> T:
        if key in self._entries:
            return self._entries[key]
        until, failure = self._failures.get(key, (0.0, None))
        if failure is not None and self._clock() < until:
            raise type(failure)(*failure.args)
        try:
            entry = await make()
        except _FAILURES as error:
            self._failures[key] = (self._clock() + self._failure_seconds, error)
            self._failures.move_to_end(key)
            _trim(self._failures, self._max_entries)
            raise
        self._failures.pop(key, None)
        self._entries[key] = entry
        _trim(self._entries, self._max_entries)
        return entry


def _trim(entries: OrderedDict[bytes, Any], max_entries: int) -> None:
    while len(entries) > max_entries:
        entries.popitem(last=False)

"""Cache of what is made from schemas: bounded, computed once for all events that wait for it."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from carteiro.concurrency.single_flight import SingleFlight
from carteiro.wire.event_format import EventUnreadable, MemberRefused

T = TypeVar("T")
_FAILURES = (EventUnreadable, MemberRefused)
"""Failures that belong to the schema, so that the next event of it has the same one."""


MAX_CHARACTERS = 8 * 1024 * 1024
"""Maximum size of the schemas of one cache. What is made from a schema takes up to 40 times its size."""


class SchemaCache(Generic[T]):
    """Cache by key. The entry that was not used for the longest time goes first.

    A failure that belongs to the schema is kept too, for `failure_seconds`: a new try for each event would ask the
    registry for each event.
    """

    def __init__(
        self,
        max_entries: int,
        failure_seconds: float,
        measure: Callable[[T], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create an empty cache. `measure` returns the characters of an entry's schema; they are limited too."""
        self._max_entries, self._failure_seconds, self._clock = max_entries, failure_seconds, clock
        self._measure, self._characters = measure, 0
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
            if len(self._failures) > self._max_entries:
                self._failures.popitem(last=False)
            raise
        self._failures.pop(key, None)
        self._entries[key] = entry
        self._characters += self._measure(entry)
        while len(self._entries) > self._max_entries or (self._characters > MAX_CHARACTERS and len(self._entries) > 1):
            _, oldest = self._entries.popitem(last=False)
            self._characters -= self._measure(oldest)
        return entry

"""The calls of one process that wait for a quota, first come first served."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from carteiro.models.cloud.quota.controller import Call, Controller

LEAST_SLEEP = 0.001
"""Seconds; a timer's own precision."""


class Place:
    """A call that may be made now. What came of it is told once, by `settle` or `refused`, before its block ends."""

    def __init__(self, controller: Controller, call: Call, clock: Callable[[], float]) -> None:
        self._controller, self._call, self._clock = controller, call, clock

    def settle(self, tokens: float | None = None, headers: Mapping[str, str] | None = None) -> None:
        """The model has answered; the call has used so many tokens, where that is known."""
        self._controller.settled(self._call, self._clock(), tokens, headers)

    def refused(self, retry_after: float | None = None, headers: Mapping[str, str] | None = None) -> None:
        """The provider has refused the call for its quota's sake and asks to wait for so many seconds."""
        self._controller.refused(self._call, self._clock(), retry_after, headers)


class Quota:
    """One model's quota in this process. `clock` gives monotonic seconds."""

    def __init__(self, controller: Controller | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._controller = controller or Controller()
        self._clock = clock
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def call(self, tokens: float = 0) -> AsyncIterator[Place]:
        """Around one call of the model, begun when the quota allows it; `tokens` is what it may use, estimated.

        A block that ends without having said what came of the call (cancelled, timed out, failed in another way)
        gives its place back; what it reserved stays charged, as the provider may have done the work.
        """
        call = await self._begin(tokens)
        try:
            yield Place(self._controller, call, self._clock)
        finally:
            self._controller.abandoned(call)
            self._changed.set()

    async def _begin(self, tokens: float) -> Call:
        """Begin in turn: whoever holds the lock, which is fair, waits for the quota; nobody overtakes."""
        async with self._turn:
            came = self._clock()
            while (pause := self._controller.wait(self._clock(), tokens)) > 0:
                await self._pause(pause)
            now = self._clock()
            return self._controller.begin(now, tokens, held=now - came)

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until a call has ended, which may change everything."""
        self._changed.clear()
        timer = asyncio.get_running_loop().call_later(max(seconds, LEAST_SLEEP), self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()

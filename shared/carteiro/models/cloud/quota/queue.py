"""Queue of the calls of one process that wait for a quota."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from carteiro.models.cloud.quota.controller import QuotaCall, QuotaController
from carteiro.models.cloud.quota.priority_lock import PriorityLock

MIN_SLEEP = 0.001
"""Seconds: the precision of a timer."""


class Permit:
    """Permit for one call. Report its outcome once, before its block ends: `completed`, `rate_limited` or `unused`."""

    def __init__(self, controller: QuotaController, call: QuotaCall, clock: Callable[[], float]) -> None:
        self._controller, self._call, self._clock = controller, call, clock

    def completed(
        self, tokens: float | None = None, headers: Mapping[str, str] | None = None, *, queued: bool = False
    ) -> None:
        """Report that the model has answered. `tokens` is the number that the call used, if it is known. `queued` is
        True if the provider let the call wait, as in the tier `flex`.
        """
        self._controller.completed(self._call, self._clock(), tokens, headers, queued=queued)

    def rate_limited(self, retry_after: float | None = None, headers: Mapping[str, str] | None = None) -> None:
        """Report that the provider has refused the call for lack of quota. `retry_after` is its requested wait in
        seconds.
        """
        self._controller.rate_limited(self._call, self._clock(), retry_after, headers)

    def unused(self, headers: Mapping[str, str] | None = None) -> None:
        """Report that the call used no tokens: the provider rejected it for another reason, or, without `headers`, the
        call never reached it.
        """
        self._controller.unused(self._call, self._clock(), headers)


class Quota:
    """One model's quota in this process. `clock` gives monotonic seconds."""

    def __init__(self, controller: QuotaController | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._controller = controller or QuotaController()
        self._clock = clock
        self._lock = PriorityLock()
        self._changed = asyncio.Event()
        self._waiting: dict[object, float] = {}
        """Times at which the waiting calls have arrived, in their order."""

    @property
    def wait_seconds(self) -> float:
        """Longest time that a call has been waiting, in seconds; 0 if none waits."""
        return self._clock() - next(iter(self._waiting.values())) if self._waiting else 0.0

    @property
    def retry_after(self) -> float:
        """Seconds for which the provider has asked for no calls; 0 if calls may begin."""
        return self._controller.retry_after(self._clock())

    @asynccontextmanager
    async def call(self, tokens: float = 0, rank: int = 0) -> AsyncIterator[Permit]:
        """Wait until the quota allows one call of the model. `tokens` is an estimate of the tokens that it uses. Of the
        calls that wait, those of the lowest rank begin first, in the order of their arrival.

        A block that ends without a report (cancelled, timed out, failed in another way) frees its permit. Its reserved
        tokens stay charged, as the provider may have done the work.
        """
        waiting = object()
        self._waiting[waiting] = self._clock()
        try:
            call = await self._begin(tokens, rank)
        finally:
            del self._waiting[waiting]
        try:
            yield Permit(self._controller, call, self._clock)
        finally:
            self._controller.abandoned(call)
            self._changed.set()

    async def _begin(self, tokens: float, rank: int) -> QuotaCall:
        """Begin calls in their order. Only the holder of the lock waits for the quota; calls of lower ranks that come
        meanwhile take its place.
        """
        if rank < self._lock.holder_rank:
            self._changed.set()
        async with self._lock.hold(rank) as turn:
            arrived = self._clock()
            while (pause := self._controller.wait(self._clock(), tokens)) > 0:
                await self._pause(pause)
                await turn.let_pass()
            now = self._clock()
            return self._controller.begin(now, tokens, waited=now - arrived)

    async def _pause(self, seconds: float) -> None:
        """Wait so many seconds, or until a call has ended: its outcome may allow an earlier start."""
        self._changed.clear()
        timer = asyncio.get_running_loop().call_later(max(seconds, MIN_SLEEP), self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()

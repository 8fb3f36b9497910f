"""The pauses between tries: exponential, with jitter."""

import asyncio
import random
from collections.abc import Awaitable, Callable


class Backoff:
    """Pauses of one retry loop. Each pause is up to twice as long as the one before, and at most `longest` seconds.

    A pause is a random time between half of its limit and the limit ("equal jitter": M. Brooker, "Exponential Backoff
    and Jitter", AWS Architecture Blog, 2015), so that workers that failed together do not try again together.
    """

    def __init__(
        self,
        first: float,
        longest: float,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Create the pauses of a loop. `first` and `longest` are limits in seconds."""
        self._first, self._longest, self._uniform, self._sleep = first, longest, uniform, sleep
        self.failures = 0
        """Number of pauses since the start or the last `reset`."""

    def next_pause(self) -> float:
        """Return the seconds to wait before the next try, and count a failure."""
        # The exponent is bounded, since a float overflows at 2**1024.
        limit = min(self._first * 2 ** min(self.failures, 64), self._longest)
        self.failures += 1
        return self._uniform(limit / 2, limit)

    async def pause(self) -> None:
        """Wait before the next try."""
        await self._sleep(self.next_pause())

    def reset(self) -> None:
        """Start again with the first pause, after a success."""
        self.failures = 0

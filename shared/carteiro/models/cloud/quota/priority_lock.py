"""A lock whose next holder is the waiter of the lowest rank."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class PriorityLock:
    """Lock for one holder at a time. Waiters of equal rank hold it in the order of their arrival."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = count()
        self._is_held = False
        self.holder_rank = -1
        """Rank of the latest holder."""

    @asynccontextmanager
    async def hold(self, rank: int) -> AsyncIterator["Turn"]:
        """Hold the lock in the block. Lower ranks come first."""
        turn = Turn(self, rank, next(self._arrivals))
        await turn.take()
        try:
            yield turn
        finally:
            turn.end()

    async def _wait(self, rank: int, number: int) -> None:
        """Return once the caller holds the lock. `number` is that of its arrival."""
        if self._is_held:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (rank, number, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._release()
                raise
        self._is_held, self.holder_rank = True, rank

    def _lowest_rank(self) -> float:
        """Return the lowest rank of a waiter; infinity if nobody waits."""
        while self._waiting and self._waiting[0][-1].done():
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else float("inf")

    def _release(self) -> None:
        """Give the lock to the next waiter, which holds it from now on."""
        while self._waiting:
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._is_held = False


class Turn:
    """One holding of a lock, by the caller of `PriorityLock.hold`."""

    def __init__(self, lock: PriorityLock, rank: int, number: int) -> None:
        self._lock, self._rank, self._number, self._holds = lock, rank, number, False

    async def take(self) -> None:
        """Return once the lock is held."""
        await self._lock._wait(self._rank, self._number)  # noqa: SLF001
        self._holds = True

    async def let_pass(self) -> None:
        """Let waiters of lower ranks hold the lock first, and return once it is held again."""
        if self._lock._lowest_rank() < self._rank:  # noqa: SLF001
            self.end()
            await self.take()

    def end(self) -> None:
        """Give the lock to the next waiter, if it is held."""
        if self._holds:
            self._holds = False
            self._lock._release()  # noqa: SLF001

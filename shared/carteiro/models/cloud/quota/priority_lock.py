"""A lock whose next holder is the waiter of the lowest rank."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

MAX_OVERTAKINGS = 7
"""Holders of rank 0 in a row while others wait: a used-up quota stops no long text, which has every eighth place."""


class PriorityLock:
    """Lock for one holder at a time. Waiters of equal rank hold it in the order of their arrival."""

    def __init__(self) -> None:
        self._waiting: list[Ticket] = []
        self._arrivals = count()
        self._is_held = False
        self._overtakings = 0
        self.holder_rank = -1
        """Rank of the latest holder."""

    @asynccontextmanager
    async def hold(self, rank: int) -> AsyncIterator["Ticket"]:
        """Hold the lock in the block. Lower ranks come first, but see `MAX_OVERTAKINGS`."""
        ticket = Ticket(self, rank, next(self._arrivals))
        await ticket.take()
        try:
            yield ticket
        finally:
            ticket.end()

    async def _wait(self, ticket: "Ticket") -> None:
        """Return once the ticket holds the lock."""
        if not self._is_held:
            self._is_held, self.holder_rank = True, ticket.rank
            return
        self._waiting.append(ticket)
        await self._granted(ticket)

    async def _let_pass(self, ticket: "Ticket") -> None:
        """Let the next waiter hold the lock, which may be the holder itself. Return once `ticket` holds it again."""
        self._waiting.append(ticket)
        self._release()
        await self._granted(ticket)

    async def _granted(self, ticket: "Ticket") -> None:
        try:
            await ticket.granted.wait()
        except asyncio.CancelledError:
            if ticket.granted.is_set():
                self._release()
            else:
                self._waiting.remove(ticket)
            raise

    def _has_lower(self, rank: int) -> bool:
        return any(ticket.rank < rank for ticket in self._waiting)

    def _release(self) -> None:
        """Give the lock to the next waiter, which holds it from now on."""
        self._is_held = bool(self._waiting)
        if not self._is_held:
            return
        overtaken = [ticket for ticket in self._waiting if ticket.rank]
        is_last = bool(overtaken) and self._overtakings == MAX_OVERTAKINGS
        ticket = min(overtaken if is_last else self._waiting, key=lambda each: (each.rank, each.number))
        self._overtakings = self._overtakings + 1 if overtaken and not ticket.rank else 0
        self._waiting.remove(ticket)
        self.holder_rank, ticket.lets_pass = ticket.rank, not is_last
        ticket.granted.set()


class Ticket:
    """Place of a caller of `PriorityLock.hold` in the queue for the lock. `number` is that of its arrival."""

    def __init__(self, lock: PriorityLock, rank: int, number: int) -> None:
        self._lock, self.rank, self.number, self._holds = lock, rank, number, False
        self.granted = asyncio.Event()
        self.lets_pass = True
        """False if enough others have overtaken: then nobody passes."""

    async def take(self) -> None:
        """Return once the lock is held."""
        await self._lock._wait(self)  # noqa: SLF001
        self._holds = True

    async def let_pass(self) -> None:
        """Let waiters of lower ranks hold the lock first, and return once it is held again."""
        if self.lets_pass and self._lock._has_lower(self.rank):  # noqa: SLF001
            self._holds = False
            self.granted.clear()
            await self._lock._let_pass(self)  # noqa: SLF001
            self._holds = True

    def end(self) -> None:
        """Give the lock to the next waiter, if it is held."""
        if self._holds:
            self._holds = False
            self._lock._release()  # noqa: SLF001

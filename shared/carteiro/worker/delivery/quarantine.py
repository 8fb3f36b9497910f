"""Requests that may have killed a worker are served with no other beside them, so that none is blamed for another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Quarantine:
    """One for a process. Either any number of requests run in it, or one suspect alone."""

    def __init__(self) -> None:
        self._suspect = asyncio.Lock()
        self._running = 0
        self._empty = asyncio.Event()
        self._empty.set()

    async def enter(self) -> None:
        """Begin a request that nobody suspects, once no suspect runs or waits."""
        while self._suspect.locked():
            async with self._suspect:
                pass
        self._running += 1
        self._empty.clear()

    def leave(self) -> None:
        """It has ended."""
        self._running -= 1
        if not self._running:
            self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Around a suspect: begins when all others have ended, and holds up those that come."""
        async with self._suspect:
            await self._empty.wait()
            yield

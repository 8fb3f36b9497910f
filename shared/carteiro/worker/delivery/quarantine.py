"""Requests that may have killed a worker are served with few beside them, so that none is blamed for another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class Quarantine:
    """One for a process. Either any number of requests run in it, or one cohort of suspects alone."""

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
        """Around a cohort: begins when all others have ended, and holds up those that come."""
        async with self._suspect:
            await self._empty.wait()
            yield


class Cohort:
    """Suspects that are served with nobody else beside them: the first that comes opens it, the last closes it."""

    def __init__(self, quarantine: Quarantine, most: int, note: Callable[[int], Awaitable[None]]) -> None:
        """At most so many; `note` is awaited with the highest of their offsets before any of them begins."""
        self._quarantine, self._most, self._note = quarantine, most, note
        self._offsets: set[int] = set()
        self._begun = False
        self._may_run, self._ended = asyncio.Event(), asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    def join(self, offset: int) -> bool:
        """Whether the request is in it from now on; it then has to become a `member`."""
        if self._begun or len(self._offsets) >= self._most:
            return False
        self._offsets.add(offset)
        return True

    @asynccontextmanager
    async def member(self, offset: int) -> AsyncIterator[None]:
        """Around the service of one that has joined."""
        if self._life is None:
            self._life = asyncio.create_task(self._live())
        try:
            await self._may_run.wait()
            yield
        finally:
            self._offsets.discard(offset)
            if not self._offsets:
                self._ended.set()
                if not self._may_run.is_set():
                    self._life.cancel()

    async def _live(self) -> None:
        async with self._quarantine.alone():
            self._begun = True
            await self._note(max(self._offsets))
            self._may_run.set()
            await self._ended.wait()

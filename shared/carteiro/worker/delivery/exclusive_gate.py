"""A gate that serves suspects (requests that may have crashed a worker) while no other request runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class ExclusiveGate:
    """A readers-writer lock for one process: either any number of requests run, or only one group of suspects."""

    def __init__(self) -> None:
        self._exclusive_lock = asyncio.Lock()
        self._running = 0
        self._empty = asyncio.Event()
        self._empty.set()

    async def acquire_shared(self) -> None:
        """Enter with a request that is no suspect, once no suspect runs or waits."""
        while self._exclusive_lock.locked():
            async with self._exclusive_lock:
                pass
        self._running += 1
        self._empty.clear()

    def release_shared(self) -> None:
        """Leave with a request that entered with `acquire_shared`."""
        self._running -= 1
        if not self._running:
            self._empty.set()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Hold the gate for a group: wait for all other requests to end, and block new ones during the `with` block."""
        async with self._exclusive_lock:
            await self._empty.wait()
            yield


class IsolationGroup:
    """Suspects that run together while no other request runs. The first member takes the gate, the last releases it."""

    def __init__(self, gate: ExclusiveGate, max_size: int, before_start: Callable[[int], Awaitable[None]]) -> None:
        """Create a group of at most `max_size` suspects.

        `before_start` is awaited with the highest of their offsets before the first suspect starts.
        """
        self._gate, self._max_size, self._before_start = gate, max_size, before_start
        self._offsets: set[int] = set()
        self._started = False
        self._may_run, self._ended = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def join(self, offset: int) -> bool:
        """Add a request. Return False if the group is full or has started; else the request must use `membership`."""
        if self._started or len(self._offsets) >= self._max_size:
            return False
        self._offsets.add(offset)
        return True

    @asynccontextmanager
    async def membership(self, offset: int) -> AsyncIterator[None]:
        """Wait until the group may run, and count the request as running during the `with` block."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            await self._may_run.wait()
            yield
        finally:
            self._offsets.discard(offset)
            if not self._offsets:
                self._ended.set()
                if not self._may_run.is_set():
                    self._task.cancel()

    async def _run(self) -> None:
        async with self._gate.exclusive():
            self._started = True
            await self._before_start(max(self._offsets))
            self._may_run.set()
            await self._ended.wait()

"""A limit of the memory that texts take together."""

import asyncio
from types import TracebackType
from typing import Self


class Reservation:
    """Part of a budget, until it is released."""

    def __init__(self, budget: "MemoryBudget", size: int) -> None:
        self._budget, self._size = budget, size

    def shrink(self, size: int) -> None:
        """Give back all but `size` bytes."""
        self._budget.give_back(self._size - min(size, self._size))
        self._size = min(size, self._size)

    def release(self) -> None:
        """Give back everything."""
        self.shrink(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class MemoryBudget:
    """Bytes that may be in use at once. A caller that asks for more than is left waits in a queue."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._turn = asyncio.Lock()
        self._given_back = asyncio.Event()

    async def reserve(self, size: int) -> Reservation:
        """Reserve `size` bytes, at most the whole limit. Wait until they are there."""
        async with self._turn:
            while self._left < size:
                self._given_back.clear()
                await self._given_back.wait()
            self._left -= size
        return Reservation(self, size)

    def give_back(self, size: int) -> None:
        """Take back bytes of a reservation."""
        self._left += size
        self._given_back.set()

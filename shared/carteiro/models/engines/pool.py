"""A pool of tokens that requests share: who finds no room waits for its turn."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

MOST_CONTEXT = 16_384
"""Most tokens of a cache that is allocated at the start, which of some models would fill the memory at their full
length."""
PLACES = 16
"""Most requests that are written at once; they share the context."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    tokens: int
    turn: asyncio.Future[None]


class Pool:
    """So many places, and so many tokens in all of them together. Requests get theirs in the order they came."""

    def __init__(self, places: int, tokens: int) -> None:
        self._places, self._tokens = places, tokens
        self._waiting: deque[_Waiting] = deque()
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]], tokens: int, seconds: float) -> T:
        """Do the work in its turn, with room for so many tokens: free again when the work is done, and not when its
        caller has gone. Where too many share the room, an engine may fail them all.

        Raises `TimeoutError` where it takes longer than so many seconds; waiting for its turn does not count.
        """
        await self.take(tokens)
        call = asyncio.create_task(work())

        def settle(done: asyncio.Task[T]) -> None:
            self._running.discard(done)
            self.give(tokens)
            _ = done.cancelled() or done.exception()  # where nobody waits any more, nobody looks at it

        self._running.add(call)
        call.add_done_callback(settle)
        async with asyncio.timeout(seconds):
            return await asyncio.shield(call)

    async def cancel(self) -> None:
        """End what is running, and return once it has."""
        for call in self._running:
            call.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def take(self, tokens: int) -> None:
        """Wait for a place with so many tokens, at most as many as the pool has. Each is to be given back."""
        waiting = _Waiting(tokens, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._serve()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.done() and not waiting.turn.cancelled():
                self.give(tokens)  # its turn came while it left
            elif waiting in self._waiting:
                self._waiting.remove(waiting)
                self._serve()  # the next may need less
            raise

    def give(self, tokens: int) -> None:
        """Give a place and its tokens back."""
        self._places += 1
        self._tokens += tokens
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._places > 0 and self._waiting[0].tokens <= self._tokens:
            first = self._waiting.popleft()
            if not first.turn.done():
                self._places -= 1
                self._tokens -= first.tokens
                first.turn.set_result(None)

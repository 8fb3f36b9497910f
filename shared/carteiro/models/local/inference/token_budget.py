"""A pool of slots and tokens that requests share. A request waits until the pool has room for it."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from threading import Event
from typing import Any, TypeVar

MAX_CONTEXT_TOKENS = 16_384
"""Maximum tokens of a cache that is allocated at the start: the full context of some models would fill the memory."""
MAX_SLOTS = 16
"""Maximum number of completions at the same time; they share the context."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    tokens: int
    grant: asyncio.Future[None]


class TokenBudget:
    """Pool of `slots` slots and `tokens` tokens in total. Requests get them in the order they arrive."""

    def __init__(self, slots: int, tokens: int) -> None:
        self._free_slots, self._free_tokens = slots, tokens
        self._waiting: deque[_Waiter] = deque()
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, work: Callable[[Event], Coroutine[Any, Any, T]], tokens: int, timeout: float) -> T:
        """Wait for a slot and `tokens` tokens, run the work and return its result.

        `work` gets an event that is set when the caller leaves, so that it can stop early.
        The slot and the tokens are released when the work ends, even if the caller is cancelled before: an engine may
        fail all requests if its cache is overfilled.

        Raise `TimeoutError` if the work takes longer than `timeout` seconds; waiting in the queue does not count.
        """
        await self.acquire(tokens)
        cancelled = Event()
        task = asyncio.create_task(work(cancelled))

        def on_done(done: asyncio.Task[T]) -> None:
            self._running.discard(done)
            self.release(tokens)
            _ = done.cancelled() or done.exception()  # marks the error as retrieved if no caller is left

        self._running.add(task)
        task.add_done_callback(on_done)
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(task)
        finally:
            cancelled.set()

    async def cancel(self) -> None:
        """Cancel the running work and return when it has ended."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def acquire(self, tokens: int) -> None:
        """Wait for a slot and `tokens` tokens, at most the total of the pool. The caller has to release them."""
        waiter = _Waiter(tokens, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._grant_waiting()
        try:
            await waiter.grant
        except asyncio.CancelledError:
            if waiter.grant.done() and not waiter.grant.cancelled():
                self.release(tokens)  # it was granted while the caller was cancelled
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
                self._grant_waiting()  # the next request may need fewer tokens
            raise

    def release(self, tokens: int) -> None:
        """Return a slot and its tokens to the pool."""
        self._free_slots += 1
        self._free_tokens += tokens
        self._grant_waiting()

    def _grant_waiting(self) -> None:
        while self._waiting and self._free_slots > 0 and self._waiting[0].tokens <= self._free_tokens:
            first = self._waiting.popleft()
            if not first.grant.done():
                self._free_slots -= 1
                self._free_tokens -= first.tokens
                first.grant.set_result(None)

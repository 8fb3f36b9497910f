"""A pool of tokens that requests share: who finds no room waits for its turn."""

import asyncio
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    tokens: int
    turn: asyncio.Future[None]


class Pool:
    """So many places, and so many tokens in all of them together. Requests get theirs in the order they came."""

    def __init__(self, places: int, tokens: int) -> None:
        self._places, self._tokens = places, tokens
        self._waiting: deque[_Waiting] = deque()

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

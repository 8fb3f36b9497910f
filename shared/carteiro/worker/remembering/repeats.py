"""Requests that are sent twice under one `idempotency_key` are answered once and given that answer twice."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from carteiro.schemas import OkReply

Answer = OkReply[Any]

_MOST, _MOST_BYTES = 10_000, 64 * 2**20
"""Answers that are remembered, for all partitions of a worker, and their size as JSON; the oldest go first."""


class KeyReused(Exception):
    """The key came with another request before."""


@dataclass(slots=True)
class _First:
    body: bytes
    answer: asyncio.Future[Answer]
    until: float = 0.0
    size: int = 0


class Repeats:
    """The answers of the last while, in memory: a worker that takes a partition over does not have them.

    A partition's requests come to one worker, so a repeated request has to have its first one's key, or partition.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[tuple[str, int, bytes], _First] = {}
        """Those that are being answered, which may take a day: they are not forgotten."""
        self._firsts: OrderedDict[tuple[str, int, bytes], _First] = OrderedDict()
        """Those that are answered, the oldest first."""
        self._size = 0

    async def once(
        self, place: tuple[str, int, bytes], body: bytes, answer: Callable[[], Awaitable[Answer]]
    ) -> tuple[Answer, bool]:
        """The answer to the first request with this topic, partition and key, and whether it is a repeated one.

        A failure is nothing to remember: the request may be tried again. Raises `KeyReused`, and what `answer` does.
        """
        digest = hashlib.sha256(body).digest()
        now = time.monotonic()
        while self._firsts and (
            next(iter(self._firsts.values())).until < now or len(self._firsts) > _MOST or self._size > _MOST_BYTES
        ):
            self._forget(next(iter(self._firsts)))
        while (first := self._running.get(place) or self._firsts.get(place)) is not None:
            if first.body != digest:
                raise KeyReused
            try:
                return await asyncio.shield(first.answer), True
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not first.answer.cancelled() or (task is not None and task.cancelling()):
                    raise
        first = self._running[place] = _First(digest, asyncio.get_running_loop().create_future())
        try:
            given = await answer()
        except BaseException:
            first.answer.cancel()
            raise
        finally:
            del self._running[place]
        first.answer.set_result(given)
        first.until, first.size = time.monotonic() + self._seconds, len(given.model_dump_json())
        self._firsts[place] = first
        self._size += first.size
        return given, False

    def _forget(self, place: tuple[str, int, bytes]) -> None:
        self._size -= self._firsts.pop(place).size

"""The parts of one request, whose model calls run at once."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from carteiro.concurrency.parallel_work import run_all
from carteiro.models.interface import Model

P = TypeVar("P")
R = TypeVar("R")

_REMOTE_CALLS, _LOCAL_CALLS = 16, 4
"""Calls of one request at once. On this machine they share the processor with the calls of other requests."""


class PartRunner:
    """Works on the parts of one request. At most 16 calls of a remote model run at once, and 4 of a local one.

    A text that is streamed is written by one call after the other.
    """

    def __init__(self, model: Model, *, streamed: bool = False) -> None:
        self._calls = asyncio.Semaphore(1 if streamed else _REMOTE_CALLS if model.remote else _LOCAL_CALLS)

    def call(self) -> AbstractAsyncContextManager[None]:
        """Return a block for one model call, which begins when fewer than the limit run. They begin in order."""
        return self._calls

    async def run(self, parts: Sequence[P], work: Callable[[P], Coroutine[Any, Any, R]]) -> list[R]:
        """Return the results of `work` in the order of the parts. `work` makes its calls in blocks of `call`.

        If a part fails, the others are cancelled, and its error is raised.
        """
        if len(parts) == 1:
            return [await work(parts[0])]
        return await run_all(map(work, parts))

"""One computation for many callers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Computations by key, of which one runs for each key at a time. Callers with the same key share its result.

    The first caller computes in its own task. If it fails or is cancelled, so is its computation, and a waiting caller
    computes in its place. So each caller has its own cancellation, and gets no error of another caller.
    """

    def __init__(self) -> None:
        self._running: dict[bytes, asyncio.Future[tuple[T, ...]]] = {}
        """Futures of the results. The result is empty if the computing caller failed or was cancelled."""

    async def run(self, key: bytes, compute: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """Return the result, and True if another caller has computed it. Raise any error of `compute`."""
        while (running := self._running.get(key)) is not None:
            # Without the shield, the cancellation of one caller would cancel the future of all.
            for result in await asyncio.shield(running):
                return result, True
        running = self._running[key] = asyncio.get_running_loop().create_future()
        computed: tuple[T, ...] = ()
        try:
            computed = (await compute(),)
        finally:
            del self._running[key]
            running.set_result(computed)
        return computed[0], False

"""Results of several coroutines at once, all of which end before an error is raised."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

R = TypeVar("R")


async def run_all(works: Iterable[Coroutine[Any, Any, R]]) -> list[R]:
    """Return the results in the order of `works`.

    If one fails, the others are cancelled and awaited, and its error is raised: a cancelled call records what it has
    used.
    """
    running = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*running)
    except BaseException:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        raise

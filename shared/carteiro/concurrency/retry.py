"""Retries while a service that the worker needs is away."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from carteiro.concurrency.backoff import Backoff

T = TypeVar("T")
ErrorT = TypeVar("ErrorT", bound=Exception)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Limits of the pauses between tries, in seconds."""


def _for_ever(_: Exception) -> float:
    return math.inf


async def retry_while_away(
    work: Callable[[], Awaitable[T]],
    unavailable: type[ErrorT],
    on_away: Callable[[ErrorT], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    *,
    patience: Callable[[ErrorT], float] = _for_ever,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Return the result of `work`, which is tried again after each error of the type `unavailable`.

    `on_away` is called with the first of them. `patience` returns the seconds after the first of them from which an
    error is raised. Raise the other errors of `work`.
    """
    backoff, first_failure = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, sleep=sleep), 0.0
    while True:
        try:
            return await work()
        except unavailable as error:
            if backoff.failures == 0:
                first_failure = clock()
                on_away(error)
            if clock() - first_failure >= patience(error):
                raise
            await backoff.pause()

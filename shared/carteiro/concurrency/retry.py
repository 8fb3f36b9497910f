"""Retries while a service that the worker needs is away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from carteiro.concurrency.backoff import Backoff

T = TypeVar("T")
ErrorT = TypeVar("ErrorT", bound=Exception)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Limits of the pauses between tries, in seconds."""


async def retry_while_away(
    work: Callable[[], Awaitable[T]],
    unavailable: type[ErrorT],
    on_away: Callable[[ErrorT], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Return the result of `work`, which is tried again after each error of the type `unavailable`.

    `on_away` is called with the first of them. Raise the other errors of `work`.
    """
    backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, sleep=sleep)
    while True:
        try:
            return await work()
        except unavailable as error:
            if backoff.failures == 0:
                on_away(error)
            await backoff.pause()

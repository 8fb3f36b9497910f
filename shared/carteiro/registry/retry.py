"""Retries while the registry is away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from carteiro.concurrency.backoff import Backoff
from carteiro.registry.errors import RegistryUnavailable

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Limits of the pauses between tries, in seconds."""


async def retry_while_away(
    work: Callable[[], Awaitable[T]],
    on_away: Callable[[RegistryUnavailable], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Return the result of `work`, which is tried again after each `RegistryUnavailable`. Raise its other errors.

    `on_away` is called with the first of them.
    """
    backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, sleep=sleep)
    while True:
        try:
            return await work()
        except RegistryUnavailable as error:
            if backoff.failures == 0:
                on_away(error)
            await backoff.pause()

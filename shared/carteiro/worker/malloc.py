"""A limit for the memory that the C library keeps after use."""

import contextlib
import ctypes

_M_ARENA_MAX = -8
"""Parameter of glibc's `mallopt` (mallopt(3))."""
_ARENAS = 2


def limit_arenas() -> None:
    """Have all threads share two arenas. Do nothing if the C library is not glibc.

    By default each thread gets an arena of its own, which keeps what its largest request took. Threads parse requests
    and unpack batches, so a worker would keep that many times over.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)

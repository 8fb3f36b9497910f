"""The time of a partition's latest progress, by which stalled partitions are detected.

Pure: the clock is passed in.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """Progress of one lane. All times are by `clock`, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._advanced_at = clock()
        self._restarted_at = self._advanced_at_restart = 0.0
        self._preparing_since: float | None = None
        self.restart_failed = False
        """True if there was no progress between the last two restarts."""

    def advance(self) -> None:
        """Record that a record was read, started or acknowledged."""
        self._advanced_at = self._clock()

    def on_restart(self) -> None:
        """Record that the lane's delivery restarts."""
        self._restarted_at = self._clock()
        self.restart_failed = self._advanced_at_restart == self._advanced_at
        self._advanced_at_restart = self._advanced_at

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Count the time of the `with` block as preparation of the partition by its handler."""
        self._preparing_since = self._clock()
        try:
            yield
        finally:
            self._preparing_since = None

    def is_preparing(self, since: float) -> bool:
        """Return True if the handler has been preparing the partition since time `since` or longer."""
        return self._preparing_since is not None and self._preparing_since <= since

    def is_stalled(self, since: float) -> bool:
        """Return True if there was no progress and no restart since time `since`, and the handler is not preparing."""
        return self._preparing_since is None and max(self._advanced_at, self._restarted_at) <= since

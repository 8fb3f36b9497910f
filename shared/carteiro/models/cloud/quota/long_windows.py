"""The pace at which one worker uses a quota of an hour, a day or a month.

The rest of the quota is spread evenly over the time until it is complete again: `remaining / reset`. The first tenth is
free, so that no call waits at the start of a day. If the quota is reset at midnight, a worker that is behind the even
line hurries, and a worker that is far ahead saves; all workers that share the quota see the same line. If the quota
refills continuously, the even pace of one worker holds the bucket half full, and that of many workers lower.
"""

import math

from carteiro.models.cloud.quota.rate_limit_headers import BucketState
from carteiro.models.cloud.quota.window_estimator import WindowEstimator

FREE_SHARE = 0.9
"""Share of the bucket, or of the even line, above which calls are almost free."""
_ABOVE, _BELOW = 0.02, 0.2
"""Distances above and below `FREE_SHARE` in which the pace changes by a factor of e."""
_MAX_FACTOR, _MIN_FACTOR = 1000.0, 0.25
_DROP, _RISE, _MIN_SHARE = 0.5, 1.05, 1 / 256
"""Factors of the worker's share after a refusal and after an accepted call, and its minimum."""
MAX_PAUSE_SECONDS = 900.0
"""Longest pause between two calls in seconds, so that new readings keep coming."""
_TOLERANCE, _TOLERANCE_AMOUNT = 0.05, 3.0
"""Share of the limit, and amount, by which a bucket that refills continuously may differ from its own reset."""


class LongWindows:
    """All windows of one resource that are longer than a minute. Times are monotonic seconds, rates amounts per
    second.
    """

    def __init__(self) -> None:
        self.by_header: dict[float | None, LongWindow] = {}
        """The windows, by the window that the names of their headers give, in seconds."""
        self._estimators: dict[float | None, WindowEstimator] = {}

    def window_of(self, state: BucketState) -> float:
        """Return the window of a reading's bucket in seconds; 60 if nothing says that it is longer."""
        return self._estimators.setdefault(state.window, WindowEstimator()).window_of(state)

    def learn(self, now: float, state: BucketState, window: float, amount: float, *, accepted: bool) -> bool:
        """Learn from the reading of a bucket with a long `window` (seconds). Its call wanted `amount`, and was
        `accepted` or not. Return True if it is the first reading of this window.
        """
        is_new = state.window not in self.by_header
        if is_new:
            self.by_header[state.window] = LongWindow(window)
        self.by_header[state.window].learn(now, state, window, amount, accepted=accepted)
        return is_new

    def discard(self, state: BucketState) -> None:
        """Discard the window of a reading's bucket: it is not longer than a minute."""
        self.by_header.pop(state.window, None)

    def spend(self, now: float, amount: float) -> None:
        """Count an amount that is not in the reading of any response yet."""
        for each in self.by_header.values():
            each.spend(now, amount)

    def rate(self, now: float, amount: float) -> float:
        """Return the lowest rate for calls of this amount; infinity if there is no long window."""
        return min((each.rate(now, amount) for each in self.by_header.values()), default=math.inf)

    def is_plentiful(self, now: float, amount: float) -> bool:
        """Return True if there are long windows, and none of them explains the refusal of a call of this amount."""
        windows = self.by_header.values()
        return bool(windows) and all(each.is_plentiful(now, amount) for each in windows)


class LongWindow:
    """Even pace of one long window. Times are monotonic seconds, rates amounts per second. `window` is in seconds."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._limit = self._remaining = self._reset = 0.0
        self._at = 0.0
        self._share = 1.0
        """Share of the even pace. Refusals lower it: they come if many workers share the rest of the quota."""
        self._fixed = False
        """True if the quota is reset at the end of its window and does not refill continuously."""

    def learn(self, now: float, state: BucketState, window: float, amount: float, *, accepted: bool) -> None:
        """Learn from the reading of a response, if it is complete. Its call wanted `amount`, and was `accepted` or
        not.
        """
        if state.limit is None or state.remaining is None:
            return
        if (state.limit, window) != (self._limit, self._window):
            self._limit, self._window, self._fixed = state.limit, window, False
        if self._fixed and state.remaining > self._remaining + _TOLERANCE * self._limit:
            self._share = 1.0  # The quota was reset.
        self._remaining, self._at = min(state.remaining, self._limit), now
        if accepted:
            self._share = min(1.0, self._share * _RISE)
        elif not self.is_plentiful(now, amount):
            self._share = max(_MIN_SHARE, self._share * _DROP)
        refill = self._limit / self._window
        filling_up = (self._limit - self._remaining) / refill
        self._reset = filling_up if state.reset is None else state.reset
        off = abs(self._remaining + refill * self._reset - self._limit)
        self._fixed = self._fixed or off > max(_TOLERANCE * self._limit, _TOLERANCE_AMOUNT)

    def spend(self, now: float, amount: float) -> None:
        """Count an amount that is not in the reading of any response yet."""
        self._remaining, self._reset = self._state_at(now)
        self._at = now
        self._remaining = max(0.0, self._remaining - amount)
        if not self._fixed and self._limit:
            self._reset += amount * self._window / self._limit

    def rate(self, now: float, amount: float) -> float:
        """Return the rate for calls of this amount; infinity if the quota is full."""
        remaining, reset = self._state_at(now)
        if not self._limit or reset <= 0:
            return math.inf
        refill, even = self._limit / self._window, remaining / reset
        off = (min(even / refill, 2.0) if self._fixed else remaining / self._limit) - FREE_SHARE
        if off > 0:
            rate = even * min(math.exp(off / _ABOVE), _MAX_FACTOR)
        elif self._fixed:
            rate = even * max(math.exp(off / _BELOW), _MIN_FACTOR)
        else:
            rate = max(even, refill * _MIN_FACTOR)
        return max(rate * self._share, max(amount, 1.0) / MAX_PAUSE_SECONDS)

    def is_plentiful(self, now: float, amount: float) -> bool:
        """Return True if calls of this amount are not refused for lack of this quota."""
        remaining, reset = self._state_at(now)
        return reset <= 0 or remaining > max(2 * amount, _TOLERANCE * self._limit)

    def _state_at(self, now: float) -> tuple[float, float]:
        """Return the remaining amount, and the seconds until the bucket is full."""
        passed = max(0.0, now - self._at)
        refilled = 0.0 if self._fixed else passed * self._limit / self._window
        return min(self._limit, self._remaining + refilled), self._reset - passed

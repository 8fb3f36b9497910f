"""Estimate of the window of a quota from `limit`, `remaining` and `reset` together."""

from dataclasses import dataclass
from itertools import pairwise

from carteiro.models.cloud.quota.rate_limit_headers import DAY, HOUR, MINUTE, MONTH, BucketState

_WINDOWS = (MINUTE, HOUR, DAY, MONTH)
_OVERDRAWN = 2.0
"""Factor by which an overdrawn bucket of a minute takes longer to fill."""
_TOLERANCE, _ROUNDING_SECONDS = 0.1, 1.0
_CONTRADICTIONS = 3
"""Consecutive readings of a shorter window that disprove a longer window."""


@dataclass(slots=True)
class WindowEstimator:
    """Estimator of the window of one bucket, in seconds.

    A bucket that refills continuously is full again after `window * used / limit` seconds: Groq's 14,400 requests a day
    come back at one in 6 s. Below two minutes two readings have to agree, because the reset of a quota with a fixed
    window of a minute passes every number. A fixed window resets within its length: a reset in two hours proves a day.
    A proven window stays, also in the last minute of the day.
    """

    _proven_window: float = 0.0
    _contradictions: int = 0
    _refill_window: float = 0.0
    """Longer window on which the last readings agree; 0 if they do not agree."""
    _last: tuple[float, float] | None = None
    """Amount used, and seconds until the reset, of the last reading."""

    def window_of(self, state: BucketState) -> float:
        """Return the window in seconds. Without evidence it is a minute."""
        if state.window is not None:
            return state.window
        limit, remaining, reset = state.limit, state.remaining, state.reset
        if limit is None or remaining is None or reset is None:
            return self._proven_window or self._refill_window or MINUTE
        used, (last_used, last_reset) = limit - remaining, self._last or (0.0, -1.0)
        self._last = used, reset
        least = MINUTE
        for shorter, longer in pairwise(_WINDOWS):
            if reset > (_OVERDRAWN if shorter == MINUTE else 1 + _TOLERANCE) * shorter:
                least = longer
        if least > MINUTE:
            self._proven_window = max(self._proven_window, least)
        found = next((each for each in _WINDOWS if each >= least and _refills(each, limit, used, reset)), 0.0)
        agree = last_reset >= 0 and _is_close(reset - last_reset, (used - last_used) * found / limit, reset)
        believed = agree or least > MINUTE or found == self._refill_window
        self._refill_window = found if found > MINUTE and believed else 0.0
        if self._proven_window and found and found < self._proven_window:
            self._contradictions += 1
            if self._contradictions < _CONTRADICTIONS:
                return self._proven_window
            self._proven_window = 0.0
        self._contradictions = 0
        return max(self._proven_window, self._refill_window, least)


def _refills(window: float, limit: float, used: float, reset: float) -> bool:
    """Return True if a bucket that refills in `window` seconds would give this reset."""
    return used > 0 and reset > 0 and _is_close(reset, used * window / limit, reset)


def _is_close(seconds: float, expected: float, reset: float) -> bool:
    """Return True if the value is the expected one, within the rounding of servers."""
    rounding = _ROUNDING_SECONDS if reset.is_integer() else _ROUNDING_SECONDS / 20
    return abs(seconds - expected) <= max(_TOLERANCE * abs(expected), rounding)

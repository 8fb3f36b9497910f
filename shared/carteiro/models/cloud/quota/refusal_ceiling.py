"""The highest rate of one worker after a refusal that no header predicted.

The ceiling drops and grows back as a window does in CUBIC (RFC 9438, section 4), here in a fixed time: the time to come
back does not depend on the rate. The AWS SDKs' adaptive retry mode also does this with rates
(https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
"""

import math

from carteiro.models.cloud.quota.rate_limit_headers import MINUTE

DROP, RETURN_SECONDS = 0.9, 100.0
"""Factor of the rate after a refusal, and the seconds until the ceiling is back at its old value."""
UNMEASURED_SECONDS = 5.0
"""Seconds between calls after a refusal before any call was accepted, and the time in which an unmeasured rate doubles:
a first refusal says little about the provider's rate."""
MAX_DOUBLINGS = 64.0
"""A number of doublings that is as good as no ceiling."""
MIN_MEASURED_CALLS = 5
"""Calls after which the accepted amount between two refusals measures the provider's rate."""


class RefusalCeiling:
    """Ceiling of one worker's rate for one resource. It measures the accepted amount between two refusals.

    Times are monotonic seconds and come from the caller, amounts are requests or tokens, rates amounts per second.
    """

    def __init__(self) -> None:
        self._peak = math.inf
        """Rate at the last refusal; infinity before the first one."""
        self._is_estimate = False
        """True if the peak is an estimate and not measured between two refusals."""
        self._cut_at = 0.0
        self._accepted, self._calls, self._since, self._seconds_waited = 0.0, 0, math.inf, 0.0

    def rate(self, now: float) -> float:
        """Return the ceiling; infinity before the first refusal.

        A measured ceiling is `peak * (1 - (1 - DROP) * (1 - t / RETURN_SECONDS) ** 3)`, t seconds after the refusal:
        the cubic function of RFC 9438, section 4.2. An estimated ceiling doubles every `UNMEASURED_SECONDS`.
        """
        if self._is_estimate:
            return float(self._peak * 2 ** min((now - self._cut_at) / UNMEASURED_SECONDS, MAX_DOUBLINGS))
        if self._peak < math.inf:
            return float(self._peak * (1 - (1 - DROP) * (1 - (now - self._cut_at) / RETURN_SECONDS) ** 3))
        return math.inf

    def record_call(self, now: float, amount: float, waited: float) -> None:
        """Record a call that begins, and that waited for so many seconds. It counts as accepted until `discount`."""
        self._seconds_waited += waited
        self._since = min(self._since, now)
        if now - self._since > MINUTE:  # Only recent calls count.
            self._accepted, self._calls, self._since = self._accepted / 2, self._calls // 2, (self._since + now) / 2
            self._seconds_waited /= 2
        self._accepted += amount
        self._calls += 1

    def correct(self, began_at: float, difference: float) -> None:
        """Add the difference between the amount that a call used and the amount that was recorded."""
        if began_at >= self._since:
            self._accepted += difference

    def discount(self, began_at: float, amount: float) -> None:
        """Remove a recorded call: it was not accepted."""
        if began_at >= self._since:
            self._accepted -= amount
            self._calls -= 1

    def lower(self, now: float, amount: float, rate: float) -> None:
        """Lower the ceiling after the refusal of a call of this amount at the worker's present `rate`."""
        seconds = max(now - self._since, 1.0)
        measured = self._accepted / seconds
        if self._seconds_waited < seconds / 2:
            # For most of the time no call waited. The accepted amount is then the demand, and only a lower bound of
            # the rate.
            rate = max(measured, rate / 2 if rate < math.inf else 0.0, amount / UNMEASURED_SECONDS)
            self._is_estimate = True
        elif self._calls >= MIN_MEASURED_CALLS and (self._is_estimate or measured < rate / 2):
            # Between two refusals the bucket went from empty to empty. The accepted amount is then the refill.
            rate, self._is_estimate = max(measured, amount / MINUTE), False
        elif rate == math.inf:
            rate, self._is_estimate = max(measured, amount / UNMEASURED_SECONDS), True
        elif self._is_estimate:
            rate = max(rate / 2, amount / UNMEASURED_SECONDS)
        self._peak, self._cut_at = rate, now

    def restart_measurement(self, now: float) -> None:
        """Begin a new measurement after a refusal, if the present one has enough calls."""
        if self._calls >= MIN_MEASURED_CALLS or self._since == math.inf:
            self._accepted, self._calls, self._since, self._seconds_waited = 0.0, 0, now, 0.0

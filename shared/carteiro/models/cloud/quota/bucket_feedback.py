"""The rate at which one worker uses a bucket of a minute, steered by the bucket's filling in rate-limit headers.

The filling is like a queue's length for RED (Floyd and Jacobson, "Random Early Detection Gateways for Congestion
Avoidance", 1993), and its mark for ECN. Every worker sees the same filling, slows down before a refusal, and needs no
knowledge of the others. A worker with the rate x of a quota r aims at a filling of TOP - SPREAD ln(r/x). A worker with
a lower rate therefore still speeds up while a faster one slows down. The shares become equal, as with additive increase
and multiplicative decrease (Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance
in Computer Networks", 1989), but as fast for a two hundredth as for a half. The rate follows the difference as a PI
controller does (Hollot et al., "On Designing Improved Controllers for AQM Routers Supporting TCP Flows", 2001).
"""

import math

from carteiro.models.cloud.quota.rate_limit_headers import MINUTE, BucketState

TOP, SPREAD = 0.9, 0.1
"""Filling at which a single worker aims, and the decrease of it per e-fold of workers."""
HEADROOM = 0.99
"""Share of the quota at which the rate aims. A call that arrives a little early is then not refused."""
MAX_GAIN = 4.0
"""Maximum of the proportional part: the factor of a difference of 1 is e to this power."""
INTEGRAL_SECONDS, MAX_STEP = 5.0, 1.0
"""Seconds in which the integral part follows a difference of 1 by a factor of e, and the largest step for one
reading."""
FIRST_SHARE, FIRST_SECONDS, MAX_DOUBLING_SECONDS = 1 / 64, 1.5, 3.0
"""A new worker begins with that share of the quota, or one call in so many seconds if that is more. The rate doubles
with each reading, at least once in the last number of seconds, until the bucket has the desired filling."""
MAX_PAUSE_SECONDS = 120.0
"""Longest pause between two calls in seconds, so that new readings keep coming."""
SIGNAL_SECONDS = 120.0
"""Seconds without a reading after which responses count as saying nothing of the bucket."""
FIXED_WINDOW_RATIO = 1.25
"""A bucket cannot take longer to fill than the whole quota takes. Above this ratio the quota is a fixed window."""
LOW_FILLING, LOW_FILLING_DROP = 0.1, 0.7
"""Filling below which a refusal is expected, and the factor of the rate after such a refusal."""


class BucketFeedback:
    """Feedback from the readings of one bucket to the rate of one worker.

    Times are monotonic seconds and come from the caller, amounts are requests or tokens, rates amounts per second.
    `setting` is the operator's limit per minute, or None.
    """

    def __init__(self, setting: float | None) -> None:
        self._setting = setting
        self._advertised: float | None = None
        """The provider's limit per minute, if it is known."""
        self.base_rate = 0.0
        """Integral part of the rate; 0 if no recent response says how full the bucket is."""
        self._max_rate = math.inf
        self._starting = True
        self._capacity = 0.0
        self._filling = 1.0
        self._remaining = 0.0
        self._gain, self._memory = 0.0, 1.0
        """Gain of the proportional part, and the seconds in which a reading's effect falls by a factor of e."""
        self._read_at = self._windowed_until = -math.inf
        self._had_to_wait = False
        """True if a call had to wait for its turn since the last reading: the rate is then in use."""

    @property
    def limit(self) -> float | None:
        """Amount per minute: the lower one of the setting and the provider's limit; None if neither is known."""
        return min((each for each in (self._setting, self._advertised) if each is not None), default=None)

    def rate(self, now: float) -> float:
        """Return the rate by the last reading, as far as it still counts at `now`; infinity without a reading."""
        if not self.base_rate:
            return math.inf
        fresh = math.exp((self._read_at - now) / self._memory)
        return min(self.base_rate * math.exp(self._gain * fresh * self._headroom()), self._max_rate)

    def capped(self, amount: float) -> float:
        """Return the amount, at most a minute's limit: a call is paid off within a minute, however large its estimate
        is.
        """
        return amount if self.limit is None else min(amount, self.limit)

    def record_wait(self) -> None:
        """Record that a call had to wait for its turn: the worker has more calls than its rate allows."""
        self._had_to_wait = True

    def learn(
        self, now: float, state: BucketState, window: float, amount: float, delay: float, *, accepted: bool
    ) -> None:
        """Learn from the reading of a response. Its call wanted `amount`, and was `accepted` or not.

        `window` is the bucket's window in seconds, at most 60. `delay` is the age of the reading in seconds at the time
        of its effect: the duration of a call.
        """
        advertised = state.limit and state.limit * MINUTE / window
        if advertised and advertised != self._advertised:
            self.base_rate *= advertised / (self._advertised or advertised)
            self._advertised = advertised
        if self.limit is None or self._advertised is None or state.remaining is None:
            self.expire(now)
            return
        amount = self.capped(amount)
        refill, max_rate = self._advertised / MINUTE, self.limit / MINUTE * HEADROOM
        weight = self._measure_bucket(now, state.remaining, state.reset, refill)
        self._remaining = state.remaining
        self._filling = min(1.0, weight * (state.remaining + amount * accepted) / self._capacity)
        # This follows from the loop's phase margin: the bucket integrates, and the reading is late.
        self._memory = self._capacity / refill
        # A deep bucket takes more than its refill for a while. A bucket of a single call does not.
        self._max_rate = max(
            max_rate * (1 + min(1.0, (self._capacity - amount) / self._advertised)), amount / MAX_PAUSE_SECONDS
        )
        self._gain = 0.0 if self._starting else min(MAX_GAIN, 0.5 * self._capacity / refill / delay)
        seconds, self._read_at = now - self._read_at, now
        if not self.base_rate:
            self.base_rate, self._starting = max(max_rate * FIRST_SHARE, amount / FIRST_SECONDS), True
            seconds = 0.0
        self._integrate(seconds, delay, accepted=accepted)
        self.base_rate = max(min(self.base_rate, max_rate), amount / MAX_PAUSE_SECONDS)
        self._had_to_wait = False

    def expire(self, now: float) -> None:
        """Drop the last reading if it is too old."""
        if now - self._read_at > SIGNAL_SECONDS:
            self.base_rate = 0.0

    def forget_limit(self) -> None:
        """Forget the provider's limit: it is that of a longer window."""
        self._advertised, self.base_rate = None, 0.0

    def is_low(self, amount: float) -> bool:
        """Return True if the last reading explains the refusal of a call of this amount."""
        return self._filling < LOW_FILLING or self._remaining < 2 * amount

    def slow_down(self, amount: float) -> None:
        """Lower the rate after a refusal that the filling explains."""
        self.base_rate, self._starting = max(self.base_rate * LOW_FILLING_DROP, amount / MAX_PAUSE_SECONDS), False

    def _integrate(self, seconds: float, delay: float, *, accepted: bool) -> None:
        """Follow the difference between the filling and the desired one. `seconds` have passed since the last
        reading.
        """
        room = self._headroom()
        self._starting = self._starting and room > 0
        if self._starting:
            self.base_rate *= 2 ** min(1.0, seconds / min(delay, MAX_DOUBLING_SECONDS))
        elif accepted and (room < 0 or self._had_to_wait):
            self.base_rate *= math.exp(room * min(seconds / max(INTEGRAL_SECONDS, 2 * delay), MAX_STEP))

    def _measure_bucket(self, now: float, remaining: float, reset: float | None, refill: float) -> float:
        """Record the capacity of the bucket from this remaining amount. Return the weight of its filling.

        If the quota is reset every minute, as gateways do, the remaining amount is compared with the remaining time.
        """
        assert self._advertised is not None
        if reset is None:
            self._capacity = max(1.0, remaining, self._capacity * 0.999)
            return 1.0
        if reset <= MINUTE and remaining + refill * reset > FIXED_WINDOW_RATIO * self._advertised:
            self._windowed_until = now + SIGNAL_SECONDS
        if now < self._windowed_until:
            self._capacity = max(1.0, refill * reset)
            return TOP
        self._capacity = max(1.0, remaining, min(self._advertised, remaining + refill * reset))
        return 1.0

    def _headroom(self) -> float:
        """Return how much fuller the bucket is than its desired filling."""
        assert self.limit is not None
        return self._filling - TOP + SPREAD * math.log(self.limit / MINUTE / self.base_rate)

"""The rate at which one worker uses one resource of a quota (requests, or tokens).

Two laws, of which the slower counts:

* *Steering*, where responses say how full the provider's bucket is. The filling is what a queue's length is to RED
  (Floyd and Jacobson, "Random Early Detection Gateways for Congestion Avoidance", 1993) and its mark to ECN: every
  worker sees the same one, slows down before anything is refused, and needs to know of nobody else. A worker with the
  rate x of a quota r wants the bucket at TOP - SPREAD ln(r/x), so that whoever has less sees room where others see
  none: shares become equal, as with additive increase and multiplicative decrease (Chiu and Jain, 1989), but as
  fast for a two hundredth as for a half. The rate follows the difference as a PI controller does (Hollot et al., "On
  Designing Improved Controllers for AQM Routers Supporting TCP Flows", 2001).
* A *ceiling* after a refusal that the filling did not foretell. It drops and grows back as a window does in CUBIC
  (RFC 9438, section 4), which the AWS SDKs' adaptive retry mode does with rates too; here the time to come back does
  not depend on the rate.
"""

import math

from carteiro.models.cloud.quota.headers import Reading
from carteiro.models.cloud.quota.window import MINUTE, Charge, Window

TOP, SPREAD = 0.9, 0.1
"""Filling that a worker alone wants, and by how much less per e-fold of workers."""
HEADROOM = 0.99
"""Share of the quota that is aimed at: an arrival a little early is not refused."""
MOST_GAIN = 4.0
INTEGRAL_SECONDS, MOST_STEP = 5.0, 1.0
"""Time in which the integral part follows a difference of 1 by a factor of e, and the most of it that news counts."""
FIRST_SHARE, FIRST_SECONDS = 1 / 64, 1.5
LONGEST_DOUBLING_SECONDS = 3.0
"""A new worker begins with that share of the quota, or a call in so many seconds if that is more; the rate doubles with
the news, no slower than this, until the bucket is as full as it should be."""
BURST_SECONDS = 0.25
"""How much may be made up for after a pause: a timer's lateness, not more."""
LONGEST_SECONDS = 120.0
"""Longest pause between two calls, so that news keeps coming; only a limit that is set makes longer ones."""
SIGNAL_SECONDS = 120.0
"""After so long without a word, responses are taken to say nothing of the bucket any more."""
WINDOWED = 1.25
"""A bucket cannot take longer to fill than the whole quota does; where that is exceeded so far it is no bucket."""
FORETOLD, FORETOLD_DROP = 0.1, 0.7
"""A filling below which a refusal was to be expected, and what it leaves of the rate."""
DROP, RETURN_SECONDS = 0.9, 100.0
"""What any other refusal leaves of the rate, and the time until the ceiling is where it was."""
UNKNOWN_SECONDS = 5.0
"""Pause between calls after a refusal before anything was accepted, and the time in which a rate that was not measured
doubles: a first refusal says little of what the provider gives."""
MOST_DOUBLINGS = 64.0
"""As good as no ceiling."""
ENOUGH = 5
"""Calls after which what was accepted between two refusals measures what the provider gives."""


class Share:
    """All times are monotonic seconds, all rates amounts per second. `setting` is a limit per minute, or None."""

    def __init__(self, setting: float | None) -> None:
        self._setting = setting
        self._told: float | None = None
        self._window = Window()
        self._allowance = 0.0
        self._allowed_at = -math.inf
        self._pressed = False
        # steering
        self._base, self._most = 0.0, math.inf
        self._starting = True
        self._capacity = 0.0
        self._filling = 1.0
        self._remaining = 0.0
        self._gain, self._memory = 0.0, 1.0
        self._signal_at = self._windowed_until = -math.inf
        # ceiling
        self._peak = math.inf
        self._guessed = False
        """Whether the ceiling is a guess, as it was not measured between two refusals."""
        self._cut_at = 0.0
        self._accepted, self._calls, self._since, self._held = 0.0, 0, math.inf, 0.0

    @property
    def limit(self) -> float | None:
        """Amount per minute: the least of what is set and what the provider says."""
        return min((each for each in (self._setting, self._told) if each is not None), default=None)

    def rate(self, now: float) -> float:
        """The rate of this worker; infinity where nothing limits it."""
        rate = math.inf if self._setting is None else self._setting / MINUTE
        if self._base:
            fresh = math.exp((self._signal_at - now) / self._memory)
            rate = min(rate, self._base * math.exp(self._gain * fresh * self._room()), self._most)
        if self._guessed:
            rate = min(rate, self._peak * 2 ** min((now - self._cut_at) / UNKNOWN_SECONDS, MOST_DOUBLINGS))
        elif self._peak < math.inf:
            rate = min(rate, self._peak * (1 - (1 - DROP) * (1 - (now - self._cut_at) / RETURN_SECONDS) ** 3))
        return rate

    def wait(self, now: float, amount: float) -> float:
        """Seconds until the amount may be spent. A large one goes when a small one would, and is paid off after."""
        rate = self.rate(now)
        if rate == math.inf:
            return 0.0
        self._refill(now, rate)
        pause = -self._allowance / rate if self._allowance < 0 else 0.0
        self._pressed = self._pressed or pause > 0
        return max(pause, self._window.wait(now, amount, self._setting) if self._setting else 0.0)

    def spend(self, now: float, amount: float, held: float) -> Charge:
        """A call begins, which had to wait for so many seconds."""
        self._held += held
        rate = self.rate(now)
        if rate < math.inf:
            self._refill(now, rate)
            self._allowance -= amount
        self._since = min(self._since, now)
        if now - self._since > MINUTE:  # only what is recent counts
            self._accepted, self._calls, self._since = self._accepted / 2, self._calls // 2, (self._since + now) / 2
            self._held /= 2
        self._accepted += amount
        self._calls += 1
        if self._setting:
            return self._window.spend(now, amount)
        return Charge(now, amount, counted=False)

    def correct(self, charge: Charge, amount: float) -> None:
        """What was spent turns out to have been this amount."""
        if self._allowed_at > -math.inf:
            self._allowance += charge.amount - amount
        if charge.at >= self._since and amount:
            self._accepted += amount - charge.amount
        self._window.correct(charge, amount)

    def learn(self, now: float, reading: Reading, amount: float, delay: float, *, taken: bool) -> None:
        """Take in what a response says of the bucket that its call wanted `amount` from, and has `taken` it or not.

        `delay` is how old the news is by the time it is acted on, in seconds.
        """
        if reading.limit and reading.limit != self._told:
            self._base *= reading.limit / (self._told or reading.limit)
            self._told = reading.limit
        if self.limit is None or self._told is None or reading.remaining is None:
            if now - self._signal_at > SIGNAL_SECONDS:
                self._base = 0.0
            return
        refill, most = self._told / MINUTE, self.limit / MINUTE * HEADROOM
        weight = self._measure_bucket(now, reading.remaining, reading.reset, refill)
        self._remaining = reading.remaining
        self._filling = min(1.0, weight * (reading.remaining + amount * taken) / self._capacity)
        # From the loop's phase margin: the bucket integrates, and the news is late.
        self._memory = self._capacity / refill
        # A deep bucket takes more than its refill for a while, one that holds a single call does not.
        self._most = max(most * (1 + min(1.0, (self._capacity - amount) / self._told)), amount / LONGEST_SECONDS)
        self._gain = 0.0 if self._starting else min(MOST_GAIN, 0.5 * self._capacity / refill / delay)
        seconds, self._signal_at = now - self._signal_at, now
        if not self._base:
            self._base, self._starting = max(most * FIRST_SHARE, amount / FIRST_SECONDS), True
            seconds = 0.0
        room = self._room()
        self._starting = self._starting and room > 0
        if self._starting:
            self._base *= 2 ** min(1.0, seconds / min(delay, LONGEST_DOUBLING_SECONDS))
        elif taken and (room < 0 or self._pressed):
            self._base *= math.exp(room * min(seconds / max(INTEGRAL_SECONDS, 2 * delay), MOST_STEP))
        self._base = max(min(self._base, most), amount / LONGEST_SECONDS)
        self._pressed = False

    def turned_down(self, charge: Charge) -> None:
        """What was spent brought nothing; whether it was charged all the same is not known, so it stays counted."""
        if charge.at >= self._since:
            self._accepted -= charge.amount
            self._calls -= 1

    def slow_down(self, now: float, amount: float, chance: float, *, again: bool) -> None:
        """A call of this amount was refused; `again` where it is of the same congestion as one before.

        `chance`, from 0 to 1, makes workers that were refused together come back apart.
        """
        foretold = self.suspicion(amount) == 2
        if again:
            return
        if foretold:
            self._base, self._starting = max(self._base * FORETOLD_DROP, amount / LONGEST_SECONDS), False
        else:
            rate = self.rate(now)
            seconds = max(now - self._since, 1.0)
            measured = self._accepted / seconds
            if self._held < seconds / 2:
                # Mostly nobody waited: what was accepted is what was wanted, and no more than a lower bound.
                rate = max(measured, rate / 2 if rate < math.inf else 0.0, amount / UNKNOWN_SECONDS)
                self._guessed = True
            elif self._calls >= ENOUGH and (self._guessed or measured < rate / 2):
                # Between two refusals the bucket went from empty to empty: what was accepted is what it was given.
                rate, self._guessed = max(measured, amount / MINUTE), False
            elif rate == math.inf:
                rate, self._guessed = max(measured, amount / UNKNOWN_SECONDS), True
            elif self._guessed:
                rate = max(rate / 2, amount / UNKNOWN_SECONDS)
            self._peak, self._cut_at = rate, now
        self._allowance = min(self._allowance, 0.0) - chance * amount
        if self._calls >= ENOUGH or self._since == math.inf:
            self._accepted, self._calls, self._since, self._held = 0.0, 0, now, 0.0

    def suspicion(self, amount: float) -> int:
        """Why so much was refused: 0 there was plenty of this, 1 not known, 2 there was too little of this."""
        if not self._base:
            return 1
        return 2 if self._filling < FORETOLD or self._remaining < 2 * amount else 0

    def _measure_bucket(self, now: float, remaining: float, reset: float | None, refill: float) -> float:
        """Note what the bucket can hold, where this remains in it; returns what its filling counts for.

        Where the quota is given anew every minute (gateways do so) what is left is held against the time that is left.
        """
        assert self._told is not None
        if reset is None:
            self._capacity = max(1.0, remaining, self._capacity * 0.999)
            return 1.0
        if reset <= MINUTE and remaining + refill * reset > WINDOWED * self._told:
            self._windowed_until = now + SIGNAL_SECONDS
        if now < self._windowed_until:
            self._capacity = max(1.0, refill * reset)
            return TOP
        self._capacity = max(1.0, remaining, min(self._told, remaining + refill * reset))
        return 1.0

    def _room(self) -> float:
        """How much fuller the bucket is than wanted."""
        assert self.limit is not None
        return self._filling - TOP + SPREAD * math.log(self.limit / MINUTE / self._base)

    def _refill(self, now: float, rate: float) -> None:
        if now > self._allowed_at:
            self._allowance = min(self._allowance + rate * (now - self._allowed_at), rate * BURST_SECONDS)
            self._allowed_at = now
        self._allowance = max(self._allowance, -rate * LONGEST_SECONDS)

"""The time at which the next call of one worker may begin, by one resource of a quota (requests, or tokens).

The rate of calls is the lowest of four: the operator's setting, the rate by the bucket's filling (`BucketFeedback`),
the even pace of longer windows (`LongWindows`), and the ceiling after refusals (`RefusalCeiling`). Calls at a rate are
spaced as by the generic cell rate algorithm (ITU-T I.371): an amount delays the calls after it by `amount / rate`
seconds.
"""

import math
from enum import IntEnum

from carteiro.models.cloud.quota import bucket_feedback, long_windows
from carteiro.models.cloud.quota.bucket_feedback import BucketFeedback
from carteiro.models.cloud.quota.long_windows import LongWindows
from carteiro.models.cloud.quota.rate_limit_headers import MINUTE, BucketState
from carteiro.models.cloud.quota.refusal_ceiling import RefusalCeiling
from carteiro.models.cloud.quota.sliding_window import Charge, SlidingWindow

BURST_SECONDS = 0.25
"""Seconds of calls that may be made up for after a pause: the lateness of a timer, not more."""


class Blame(IntEnum):
    """The part that a resource has in a refusal."""

    NONE = 0
    """There was plenty of it."""
    UNKNOWN = 1
    SHORTAGE = 2
    """There was too little of it."""


class Pacer:
    """Pacer of one worker's calls by one resource.

    Times are monotonic seconds and come from the caller, amounts are requests or tokens, rates amounts per second.
    `setting` is the operator's limit per minute, or None. It holds in every period of 60 seconds.
    """

    def __init__(self, setting: float | None) -> None:
        self._setting = setting
        self._sliding_window = SlidingWindow()
        self._feedback, self._ceiling, self._long_windows = BucketFeedback(setting), RefusalCeiling(), LongWindows()
        self._allowance = 0.0
        """Amount that may be spent at once. It is negative while the next call has to wait."""
        self._allowed_at = -math.inf

    def rate(self, now: float, amount: float = 0.0) -> float:
        """Return the rate of this worker for calls of this amount; infinity if nothing limits it."""
        rate = self._minute_rate(now)
        return min(rate, self._long_windows.rate(now, amount)) if self._long_windows.by_header else rate

    def _minute_rate(self, now: float) -> float:
        """Return the rate by all limits but those of longer windows."""
        rate = math.inf if self._setting is None else self._setting / MINUTE
        if self._feedback.base_rate:
            rate = min(rate, self._feedback.rate(now))
        return min(rate, self._ceiling.rate(now))

    def wait_seconds(self, now: float, amount: float) -> float:
        """Return the seconds until the amount may be spent; 0 if it may be spent now. A large amount waits no longer
        than a small one; it delays the next calls instead.
        """
        rate = self.rate(now, amount)
        if rate == math.inf:
            return 0.0
        self._refill(now, rate)
        pause = -self._allowance / rate if self._allowance < 0 else 0.0
        if pause > 0:
            self._feedback.record_wait()
        return max(pause, self._sliding_window.wait(now, amount, self._setting) if self._setting else 0.0)

    def spend(self, now: float, amount: float, waited: float) -> Charge:
        """Begin a call that had to wait for so many seconds. Return its charge."""
        rate = self.rate(now, amount)
        if rate < math.inf:
            self._refill(now, rate)
            self._allowance -= self._feedback.capped(amount)
        if self._long_windows.by_header:
            self._long_windows.spend(now, amount)
        self._ceiling.record_call(now, amount, waited)
        return self._sliding_window.spend(now, amount) if self._setting else Charge(now, amount, counted=False)

    def correct(self, charge: Charge, amount: float) -> None:
        """Correct a charge to the amount that was really spent."""
        if self._allowed_at > -math.inf:
            self._allowance += self._feedback.capped(charge.amount) - self._feedback.capped(amount)
        if amount:
            self._ceiling.correct(charge.at, amount - charge.amount)
        if self._setting:
            self._sliding_window.correct(charge, amount)
        else:
            charge.amount = amount

    def discount(self, charge: Charge) -> None:
        """Record that a call was not accepted. The provider may have charged it, so it still delays the next calls."""
        self._ceiling.discount(charge.at, charge.amount)

    def learn(self, now: float, state: BucketState, amount: float, delay: float, *, accepted: bool) -> None:
        """Learn from a response's reading of a bucket. Its call wanted `amount`, and was `accepted` or not.

        `delay` is the age of the reading in seconds at the time of its effect.
        """
        window = self._long_windows.window_of(state)
        if window > MINUTE:
            is_new = self._long_windows.learn(now, state, window, amount, accepted=accepted)
            if is_new and state.window is None:
                self._feedback.forget_limit()  # It was taken for a minute's before.
        else:
            self._long_windows.discard(state)
            self._feedback.learn(now, state, window, amount, delay, accepted=accepted)

    def learn_silence(self, now: float) -> None:
        """Learn from a response that says nothing of this resource."""
        if self._feedback.base_rate and None not in self._long_windows.by_header:
            self._feedback.expire(now)

    def blame(self, now: float, amount: float) -> Blame:
        """Return the part of this resource in the refusal of a call of this amount."""
        if self._feedback.base_rate:
            return Blame.SHORTAGE if self._feedback.is_low(amount) else Blame.NONE
        return Blame.NONE if self._long_windows.is_plentiful(now, amount) else Blame.UNKNOWN

    def slow_down(self, now: float, amount: float, chance: float) -> None:
        """Lower the rate after the refusal of a call of this amount.

        `chance`, from 0 to 1, spreads the return of workers that were refused together.
        """
        if self.blame(now, amount) is Blame.SHORTAGE:
            self._feedback.slow_down(amount)
        else:
            self._ceiling.lower(now, amount, self._minute_rate(now))
        self._allowance = min(self._allowance, 0.0) - chance * amount
        self._ceiling.restart_measurement(now)

    def _refill(self, now: float, rate: float) -> None:
        if now > self._allowed_at:
            self._allowance = min(self._allowance + rate * (now - self._allowed_at), rate * BURST_SECONDS)
            self._allowed_at = now
        longest = long_windows.MAX_PAUSE_SECONDS if self._long_windows.by_header else bucket_feedback.MAX_PAUSE_SECONDS
        self._allowance = max(self._allowance, -rate * longest)

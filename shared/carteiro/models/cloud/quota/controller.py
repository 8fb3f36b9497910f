"""Controller of one process for the calls of a model whose quota it shares with others. It has no clock of its own.

Calls are paced, so the number in flight follows by Little's law (rate times latency) and needs no control of its own.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from carteiro.models.cloud.quota.pacer import Pacer
from carteiro.models.cloud.quota.rate_limit_headers import Resource, parse_bucket_states
from carteiro.models.cloud.quota.sliding_window import Charge

FIRST_DOUBLING_SECONDS = 1.0
"""Seconds in which the number of started calls doubles until the provider's first answer. It is like TCP's slow start,
but by the clock."""
FIRST_BACKOFF, MAX_BACKOFF = 0.5, 30.0
"""Seconds to wait after a refusal without a `retry_after`: the first wait and the longest."""
JITTER = 0.1
MAX_TOKENS = 10_000_000
"""More tokens than any call uses. A larger number is a mistake, or does not fit a float."""


@dataclass(slots=True, eq=False)
class QuotaCall:
    """A call that has begun."""

    began_at: float
    request: Charge
    tokens: Charge
    ended: bool = False


class QuotaController:
    """Controller of one model's quota. Every method takes `now`, in monotonic seconds.

    Each call that begins must end once: `completed`, `rate_limited`, `unused` or `abandoned`. Later ends change
    nothing. `requests_per_minute` and `tokens_per_minute` bound this worker, whatever the provider says; None leaves
    the bound to the provider. `chance` returns numbers from 0 to 1 for the jitter.
    """

    def __init__(
        self,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._requests, self._tokens = Pacer(requests_per_minute), Pacer(tokens_per_minute)
        self._chance = chance
        self.in_flight = 0
        self._answered = False
        self._unanswered = 0
        self._first_began = 0.0
        self._not_before = -math.inf
        self._rate_limited_at = -math.inf
        self._rate_limits = 0
        self._rejection_seconds = 0.1
        self._probe: QuotaCall | None = None
        self._latency = 1.0

    def wait(self, now: float, tokens: float = 0) -> float:
        """Return the seconds until a call of so many tokens may begin, as far as is known now; 0 if it may begin."""
        tokens = _clamp_tokens(tokens)
        pause = max(self._not_before - now, self._requests.wait_seconds(now, 1), self._tokens.wait_seconds(now, tokens))
        if not self._answered and self._unanswered:
            doublings = math.log2(self._unanswered + 1) * FIRST_DOUBLING_SECONDS
            pause = max(pause, self._first_began + doublings - now)
        if self._rate_limits and self._probe:
            # A refusal comes fast, an answer may take a minute. No answer for some time counts as an acceptance.
            pause = max(pause, self._probe.began_at + 2 * self._rejection_seconds - now)
        return max(0.0, pause)

    def begin(self, now: float, tokens: float = 0, waited: float = 0.0) -> QuotaCall:
        """Begin a call. `tokens` is an estimate, prompt and completion together. `waited` is the time in seconds that
        the call waited at the head of the queue.
        """
        tokens = _clamp_tokens(tokens)
        call = QuotaCall(now, self._requests.spend(now, 1, waited), self._tokens.spend(now, tokens, waited))
        self.in_flight += 1
        if not self._answered:
            self._first_began = self._first_began if self._unanswered else now + self._chance() * JITTER
            self._unanswered += 1
        if self._rate_limits and self._probe is None:
            self._probe = call
        return call

    def completed(
        self,
        call: QuotaCall,
        now: float,
        tokens: float | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        queued: bool = False,
    ) -> None:
        """Record the answer to a call that used so many tokens; None if the number is not known.

        `queued` is True if the provider let the call wait: its duration is then not the latency of other calls.
        """
        if self._end(call):
            self._answered = True
            if call.began_at > self._rate_limited_at:
                self._rate_limits, self._probe = 0, None
            if tokens is not None:
                self._tokens.correct(call.tokens, _clamp_tokens(tokens))
            if not queued:
                self._latency += (now - call.began_at - self._latency) / 8
            self._learn(now, call, headers or {}, accepted=True)

    def rate_limited(
        self, call: QuotaCall, now: float, retry_after: float | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Record a refusal for lack of quota. No call begins before `retry_after` (seconds) has passed."""
        if not self._end(call):
            return
        self._answered = True
        self._requests.discount(call.request)
        self._tokens.discount(call.tokens)
        self._rejection_seconds += (now - call.began_at - self._rejection_seconds) / 4
        again = call.began_at <= self._rate_limited_at
        self._learn(now, call, headers or {}, accepted=False)
        if self._probe is call:
            self._probe = None
        both = [(self._requests, call.request.amount), (self._tokens, call.tokens.amount)]
        blames = [pacer.blame(now, amount) for pacer, amount in both]
        for (pacer, amount), blame in zip(both, blames, strict=True):
            if blame == max(blames) and not again:
                pacer.slow_down(now, amount, self._chance())
        self._tokens.correct(call.tokens, 0)
        if not again:
            self._rate_limits += 1
            self._rate_limited_at = now
        if retry_after is None or not 0 <= retry_after < math.inf:
            longest = min(FIRST_BACKOFF * 2.0 ** (min(self._rate_limits, 10) - 1), MAX_BACKOFF)
            retry_after = longest * (0.5 + 0.5 * self._chance())
        jitter = JITTER * (1 + retry_after) * self._chance()
        self._not_before = max(self._not_before, now + retry_after + jitter)

    def unused(self, call: QuotaCall, now: float, headers: Mapping[str, str] | None = None) -> None:
        """Record a call that used no tokens: the provider rejected it for another reason than the quota, or it never
        reached the provider.

        `headers` are those of the answer; None if there was none.
        """
        if not self._end(call):
            return
        self._tokens.discount(call.tokens)
        self._tokens.correct(call.tokens, 0)
        if self._probe is call:
            self._probe = None
        if headers is not None:
            self._answered = True
            self._learn(now, call, headers, accepted=False)
        else:
            self._requests.discount(call.request)
            self._requests.correct(call.request, 0)

    def retry_after(self, now: float) -> float:
        """Return the seconds for which the provider has asked for no calls."""
        return max(0.0, self._not_before - now)

    def abandoned(self, call: QuotaCall) -> None:
        """Record a call that ended with neither answer nor refusal. Its reserved tokens stay charged, as the provider
        may have charged them.
        """
        if self._end(call) and self._probe is call:
            self._probe = None

    def _end(self, call: QuotaCall) -> bool:
        if call.ended:
            return False
        call.ended = True
        self.in_flight -= 1
        return True

    def _learn(self, now: float, call: QuotaCall, headers: Mapping[str, str], *, accepted: bool) -> None:
        """Learn from the headers of a response. Without rate-limit headers, nothing is parsed."""
        delay = max(0.05, self._latency)
        found = any("limit" in name.lower() for name in headers)
        both: tuple[tuple[Pacer, Resource, Charge], ...]
        both = (self._requests, "requests", call.request), (self._tokens, "tokens", call.tokens)
        for pacer, resource, charge in both:
            states = list(parse_bucket_states(headers, resource)) if found else ()
            for state in states:
                pacer.learn(now, state, charge.amount, delay, accepted=accepted)
            if not states:
                pacer.learn_silence(now)


def _clamp_tokens(tokens: float) -> float:
    return float(min(max(tokens, 0), MAX_TOKENS))

"""When a worker may call a model whose quota it shares with others: one model in one process, no clock of its own.

Calls are paced, so the number in flight follows by Little's law (rate times latency) and needs no control of its own.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from carteiro.models.cloud.quota.headers import read
from carteiro.models.cloud.quota.share import Share
from carteiro.models.cloud.quota.window import Charge

FIRST_DOUBLING_SECONDS = 1.0
"""Until the provider has answered anything, calls begun double in this time: as TCP's slow start, but by the clock."""
FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 30.0
"""Seconds to wait after a refusal that does not say how long."""
JITTER = 0.1


@dataclass(slots=True, eq=False)
class Call:
    """A call that has begun."""

    began: float
    request: Charge
    tokens: Charge
    ended: bool = False


class Controller:
    """Every method takes `now`, in monotonic seconds. Each call that begins must end once: `settled`, `refused` or
    `abandoned`; ends after the first change nothing.

    `requests_per_minute` and `tokens_per_minute` bound this worker whatever the provider says; None leaves it to the
    provider. `chance` gives numbers from 0 to 1 for the jitter.
    """

    def __init__(
        self,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._requests, self._tokens = Share(requests_per_minute), Share(tokens_per_minute)
        self._chance = chance
        self.in_flight = 0
        self._answered = False
        self._unanswered = 0
        self._first_began = 0.0
        self._not_before = -math.inf
        self._refused_at = -math.inf
        self._refusals = 0
        self._verdict_seconds = 0.1
        self._scout: Call | None = None
        self._latency = 1.0

    def wait(self, now: float, tokens: float = 0) -> float:
        """Seconds until a call of so many tokens may begin, as far as is known now; 0 where it may."""
        pause = max(self._not_before - now, self._requests.wait(now, 1), self._tokens.wait(now, tokens))
        if not self._answered and self._unanswered:
            doublings = math.log2(self._unanswered + 1) * FIRST_DOUBLING_SECONDS
            pause = max(pause, self._first_began + doublings - now)
        if self._refusals and self._scout:
            # A refusal comes fast, an answer may take a minute: silence is consent.
            pause = max(pause, self._scout.began + 2 * self._verdict_seconds - now)
        return max(0.0, pause)

    def begin(self, now: float, tokens: float = 0, held: float = 0.0) -> Call:
        """A call begins; `tokens` is an estimate, prompt and completion together. `held` is for how many seconds it was
        the next one and had to wait.
        """
        call = Call(now, self._requests.spend(now, 1, held), self._tokens.spend(now, tokens, held))
        self.in_flight += 1
        if not self._answered:
            self._first_began = self._first_began if self._unanswered else now + self._chance() * JITTER
            self._unanswered += 1
        if self._refusals and self._scout is None:
            self._scout = call
        return call

    def settled(
        self, call: Call, now: float, tokens: float | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """The call was answered and has used so many tokens; None where nobody knows."""
        if self._end(call):
            self._answered = True
            if call.began > self._refused_at:
                self._refusals, self._scout = 0, None
            if tokens is not None:
                self._tokens.correct(call.tokens, tokens)
            self._latency += (now - call.began - self._latency) / 8
            self._learn(now, call, headers or {}, taken=True)

    def refused(
        self, call: Call, now: float, retry_after: float | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """The call was refused for the quota's sake; `retry_after` is in seconds. No call begins before that."""
        if not self._end(call):
            return
        self._answered = True
        self._requests.turned_down(call.request)
        self._tokens.turned_down(call.tokens)
        self._verdict_seconds += (now - call.began - self._verdict_seconds) / 4
        again = call.began <= self._refused_at
        self._learn(now, call, headers or {}, taken=False)
        if self._scout is call:
            self._scout = None
        shares = ((self._requests, call.request.amount), (self._tokens, call.tokens.amount))
        suspicion = max(share.suspicion(amount) for share, amount in shares)
        for share, amount in shares:
            if share.suspicion(amount) == suspicion:
                share.slow_down(now, amount, self._chance(), again=again)
        self._tokens.correct(call.tokens, 0)
        if not again:
            self._refusals += 1
            self._refused_at = now
        if retry_after is None or not 0 <= retry_after < math.inf:
            longest = min(FIRST_BACKOFF * 2.0 ** (min(self._refusals, 10) - 1), LONGEST_BACKOFF)
            retry_after = longest * (0.5 + 0.5 * self._chance())
        jitter = JITTER * (1 + retry_after) * self._chance()
        self._not_before = max(self._not_before, now + retry_after + jitter)

    def abandoned(self, call: Call) -> None:
        """The call ended with neither answer nor refusal. The provider may have charged it: what it reserved stays."""
        if self._end(call) and self._scout is call:
            self._scout = None

    def _end(self, call: Call) -> bool:
        if call.ended:
            return False
        call.ended = True
        self.in_flight -= 1
        return True

    def _learn(self, now: float, call: Call, headers: Mapping[str, str], *, taken: bool) -> None:
        delay = max(0.05, self._latency)
        self._requests.learn(now, read(headers, "requests"), call.request.amount, delay, taken=taken)
        self._tokens.learn(now, read(headers, "tokens"), call.tokens.amount, delay, taken=taken)

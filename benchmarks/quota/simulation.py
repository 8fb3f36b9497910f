"""Many workers with the real controller on one provider, in simulated time. All of them always have work."""

import heapq
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.quota.bucket import FixedWindowBucket, TokenBucket
from carteiro.models.cloud.quota.controller import QuotaCall, QuotaController

NETWORK_SECONDS = 0.02
REFUSAL_SECONDS = (0.05, 0.15)


@dataclass(frozen=True)
class Scenario:
    """A simulated load. `changes` are (second, factor on the limit). Latency is lognormal with `median` and `sigma`."""

    name: str
    workers: int
    requests: float = 600
    burst: float = 60.0
    headers: bool = True
    windowed: bool = False
    retry_after: bool = True
    seconds: float = 300.0
    warm_up: float = 60.0
    tokens: float | None = None
    tokens_each: float = 1000.0
    changes: Sequence[tuple[float, float]] = ()
    median: float = 1.0
    sigma: float = 0.5
    callers: int = 64
    settings: Mapping[str, float] = field(default_factory=dict)


@dataclass
class SimulationResult:
    """Results. `used` is accepted calls (or tokens) by second, `refused` is refusals by second."""

    scenario: Scenario
    used: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    calls: int = 0
    shares: list[int] = field(default_factory=list)
    offered: Counter[int] = field(default_factory=Counter)

    def used_share(self, since: float | None = None, until: float | None = None) -> float:
        """Return the used share of the quota, from the end of the warm-up on."""
        begin, end = int(since or self.scenario.warm_up), int(until or self.scenario.seconds)
        given = sum(self.offered[second] for second in range(begin, end)) / 1000
        return sum(self.used[second] for second in range(begin, end)) / given

    @property
    def refused_share(self) -> float:
        """Return the refused share of all calls, with the first ones."""
        return self.refused.total() / self.calls

    @property
    def steady_refused_share(self) -> float:
        """Return the refused share of the calls after the warm-up."""
        begin, end = int(self.scenario.warm_up), int(self.scenario.seconds)
        refused = sum(self.refused[second] for second in range(begin, end))
        return refused / max(1, refused + sum(self.shares))

    @property
    def fairness(self) -> float:
        """Return the calls of the luckiest worker divided by the calls of the unluckiest, after the warm-up."""
        return max(self.shares) / max(1e-9, min(self.shares))

    def settled_after(self, since: float, until: float, width: int = 15, tolerance: float = 0.15) -> float:
        """Return the seconds after `since` until the use in `width` seconds stays within `tolerance` of the quota."""
        last = since
        for second in range(int(since), int(until) - width):
            given = sum(self.offered[each] for each in range(second, second + width)) / 1000
            used = sum(self.used[each] for each in range(second, second + width))
            if abs(used / given - 1) > tolerance:
                last = second + 1
        return last - since


class Simulation:
    """A simulation run. The same seed gives the same run."""

    def __init__(self, scenario: Scenario, seed: int = 1) -> None:
        self.scenario = scenario
        self.outcome = SimulationResult(scenario, shares=[0] * scenario.workers)
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        kind = FixedWindowBucket if scenario.windowed else TokenBucket
        self.requests = kind(scenario.requests, scenario.burst)
        self.tokens = kind(scenario.tokens, scenario.burst) if scenario.tokens else None
        self._workers = [_SimulatedWorker(self, index) for index in range(scenario.workers)]

    def run(self) -> SimulationResult:
        for worker in self._workers:
            self.schedule(0.0, worker.wake)
        bottleneck = self.tokens or self.requests
        changes = [*self.scenario.changes, (self.scenario.seconds, 1.0)]
        limit, begin = bottleneck.limit, 0
        for second, factor in changes:
            for each in range(begin, int(second)):
                self.outcome.offered[each] = round(limit / 60 * 1000)
            begin, limit = int(second), limit * factor
            if factor != 1:
                self.schedule(second, self._change, bottleneck, limit)
        while self._events and self._events[0][0] < self.scenario.seconds:
            now, _, act, arguments = heapq.heappop(self._events)
            act(now, *arguments)
        return self.outcome

    def schedule(self, when: float, act: Callable[..., None], *arguments: Any) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, act, arguments))

    def _change(self, now: float, bucket: TokenBucket, limit: float) -> None:
        bucket.refill(now)
        bucket.limit = limit
        bucket.refill(now)

    def arrive(self, now: float, worker: "_SimulatedWorker", call: QuotaCall, tokens: float) -> None:
        """Handle a call that reaches the provider."""
        outcome = self.outcome
        outcome.calls += 1
        buckets = [(self.requests, 1.0)] + ([(self.tokens, tokens)] if self.tokens else [])
        short = [bucket.seconds_until(amount) for bucket, amount in buckets if bucket.refill(now) < amount]
        if not short:
            for bucket, amount in buckets:
                bucket.level -= amount
        headers = {}
        if self.scenario.headers:
            for bucket, name in zip((self.requests, self.tokens), ("requests", "tokens"), strict=True):
                headers |= bucket.headers(name) if bucket else {}
        if short:
            outcome.refused[int(now)] += 1
            retry_after = max(short) if self.scenario.retry_after else None
            self.schedule(now + self._random.uniform(*REFUSAL_SECONDS), worker.on_refusal, call, retry_after, headers)
            return
        outcome.used[int(now)] += tokens if self.tokens else 1  # type: ignore[assignment]
        if now >= self.scenario.warm_up:
            outcome.shares[worker.index] += 1
        latency = self.scenario.median * math.exp(self._random.gauss(0, self.scenario.sigma))
        self.schedule(now + latency, worker.on_answer, call, tokens, headers)

    def start_call(self, now: float, worker: "_SimulatedWorker", held: float) -> None:
        tokens = self.scenario.tokens_each * math.exp(self._random.gauss(0, 0.5))
        estimate = tokens * self._random.uniform(0.8, 2.0)
        call = worker.controller.begin(now, estimate, held)
        self.schedule(now + NETWORK_SECONDS, self.arrive, worker, call, tokens)


class _SimulatedWorker:
    def __init__(self, simulation: Simulation, index: int) -> None:
        self._simulation, self.index = simulation, index
        self.controller = QuotaController(**simulation.scenario.settings, chance=random.Random(index).random)
        self._free = simulation.scenario.callers
        self._wakes_at = math.inf
        self._waits_since = math.inf

    def wake(self, now: float) -> None:
        if now >= self._wakes_at:
            self._wakes_at = math.inf
        while self._free:
            wait = self.controller.wait(now, self._simulation.scenario.tokens_each)
            if wait > 0:
                self._waits_since = min(self._waits_since, now)
                if now + wait < self._wakes_at - 1e-3:
                    self._wakes_at = now + wait + 1e-6
                    self._simulation.schedule(self._wakes_at, self.on_timer, self._wakes_at)
                return
            self._free -= 1
            held, self._waits_since = max(0.0, now - self._waits_since), math.inf
            self._simulation.start_call(now, self, held)

    def on_timer(self, now: float, when: float) -> None:
        if when == self._wakes_at:
            self.wake(now)

    def on_answer(self, now: float, call: QuotaCall, tokens: float, headers: Mapping[str, str]) -> None:
        self.controller.completed(call, now, tokens, headers)
        self._free += 1
        self.wake(now)

    def on_refusal(self, now: float, call: QuotaCall, retry_after: float | None, headers: Mapping[str, str]) -> None:
        self.controller.rate_limited(call, now, retry_after, headers)
        self._free += 1
        self.wake(now)


CHANGES = ((240.0, 0.5), (480.0, 2.0))
SCENARIOS = tuple(
    Scenario(f"{workers} worker{'s' * (workers > 1)}, {name} burst", workers, requests=requests, burst=burst)
    for workers, requests in ((1, 600), (20, 600), (200, 6000))
    for name, burst in (("a minute's", 60.0), ("a second's", 1.0))
)
ALL = (
    *(replace(each, changes=CHANGES, seconds=720) for each in SCENARIOS),
    *(
        replace(each, name=each.name + name, headers=False, warm_up=180, changes=changes, seconds=720)
        for name, changes in ((", no headers", ()), (", no headers, halved and doubled", CHANGES))
        for each in SCENARIOS[:4]
    ),
    *(
        replace(
            each,
            name=f"{each.workers} worker{'s' * (each.workers > 1)}, reset every minute",
            windowed=True,
            seconds=420,
        )
        for each in (SCENARIOS[0], SCENARIOS[2], SCENARIOS[4])
    ),
    replace(SCENARIOS[2], name="20 workers, tokens, a minute's burst", requests=6000, tokens=600_000),
    replace(SCENARIOS[3], name="20 workers, tokens, a second's burst", requests=6000, tokens=600_000),
    replace(SCENARIOS[3], name="20 workers, latency 10 s, a second's burst", median=10, seconds=600),
    replace(SCENARIOS[5], name="200 workers on 600, a second's burst", requests=600, seconds=600),
)

"""Quotas of a day, in simulated time: a day takes a second, and the provider's bucket is a real one."""

import heapq
import math
import random
from dataclasses import dataclass, field

import pytest

from carteiro.models.cloud.quota.controller import QuotaController
from carteiro.models.cloud.quota.rate_limit_headers import DAY, HOUR

LATENCY_SECONDS = 1.0
CALLERS = 16


def duration(seconds):
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes:.0f}m{seconds:.2f}s" if minutes else f"{seconds:.2f}s"


@dataclass
class DailyBucket:
    """A quota of a day. If it is `fixed`, it is reset at midnight; otherwise it refills continuously."""

    limit: float
    fixed: bool
    level: float
    now: float = 0.0

    def look(self, now):
        if not self.fixed:
            self.level = min(self.limit, self.level + (now - self.now) * self.limit / DAY)
        elif now // DAY > self.now // DAY:
            self.level = self.limit
        self.now = now

    @property
    def reset(self):
        return DAY - self.now % DAY if self.fixed else (self.limit - self.level) * DAY / self.limit

    @property
    def headers(self):
        values = {"limit": self.limit, "remaining": math.floor(self.level), "reset": duration(self.reset)}
        return {f"x-ratelimit-{name}-requests": str(value) for name, value in values.items()}


@dataclass
class SimulatedDay:
    """Workers that always have work. `taken` and `refused` are the times of day of their calls, in seconds."""

    bucket: DailyBucket
    workers: int = 1
    taken: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def run(self, begin, end):
        controllers = [QuotaController(chance=random.Random(each).random) for each in range(self.workers)]
        free, waking = [CALLERS] * self.workers, [begin] * self.workers
        events = [(begin, number, number, None) for number in range(self.workers)]
        numbers, self.bucket.now = self.workers, begin
        while events and events[0][0] < end:
            now, _, worker, ended = heapq.heappop(events)
            controller = controllers[worker]
            if ended:
                free[worker] += 1
                ended(now)
            elif now != waking[worker]:
                continue
            while free[worker]:
                numbers += 1
                if (wait := controller.wait(now, 10)) > 0:
                    if ended is None or now + wait < waking[worker] or waking[worker] <= now:
                        waking[worker] = now + wait + 1e-3
                        heapq.heappush(events, (waking[worker], numbers, worker, None))
                    break
                free[worker] -= 1
                answer = self._call(controller, controller.begin(now, 10), now)
                heapq.heappush(events, (now + LATENCY_SECONDS, numbers, worker, answer))
        return self

    def _call(self, controller, call, now):
        self.bucket.look(now)
        if self.bucket.level < 1:
            self.refused.append(now)
            wait = self.bucket.reset if self.bucket.fixed else (1 - self.bucket.level) * DAY / self.bucket.limit
            headers = self.bucket.headers
            return lambda then: controller.rate_limited(call, then, min(wait, HOUR), headers)
        self.bucket.level -= 1
        self.taken.append(now)
        headers = self.bucket.headers
        return lambda then: controller.completed(call, then, 10, headers)

    def between(self, begin, end):
        return sum(begin <= at < end for at in self.taken)


LIMITS = [14400, 200]


@pytest.mark.parametrize("limit", LIMITS)
def test_quota_reset_at_midnight_lasts_until_midnight_and_is_used_up(limit):
    day = SimulatedDay(DailyBucket(limit, True, limit)).run(0, DAY)
    assert len(day.taken) >= 0.97 * limit
    assert not day.refused
    for hour in range(1, 23):
        assert day.between(hour * HOUR, (hour + 1) * HOUR) == pytest.approx(limit / 24, rel=0.3, abs=2)


@pytest.mark.parametrize("limit", LIMITS)
def test_a_quota_that_refills_is_held_half_full_at_its_own_pace(limit):
    day = SimulatedDay(DailyBucket(limit, False, limit)).run(0, DAY)
    assert not day.refused
    assert day.between(0, HOUR) < limit / 3
    assert day.between(18 * HOUR, 24 * HOUR) == pytest.approx(limit / 4, rel=0.15)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("fixed", [True, False])
def test_first_tenth_of_a_day_is_free(limit, fixed):
    day = SimulatedDay(DailyBucket(limit, fixed, limit)).run(0, 300)
    assert 0.05 * limit < len(day.taken) < 0.2 * limit


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("limit", LIMITS)
def test_a_worker_that_begins_at_noon_goes_at_the_even_pace(limit, fixed):
    day = SimulatedDay(DailyBucket(limit, fixed, limit / 2)).run(DAY / 2, DAY)
    assert not day.refused
    assert len(day.taken) == pytest.approx(limit / 2, rel=0.05)
    assert day.between(18 * HOUR, 21 * HOUR) == pytest.approx(limit / 8, rel=0.15, abs=2)


@pytest.mark.parametrize("limit", LIMITS)
def test_rest_of_the_day_is_used_near_midnight_and_the_next_day_is_normal(limit):
    day = SimulatedDay(DailyBucket(limit, True, limit / 50)).run(23 * HOUR, 26 * HOUR)
    assert day.between(23 * HOUR, DAY) >= 0.8 * limit / 50
    assert len(day.refused) < 20
    assert day.between(DAY, 26 * HOUR) < 0.3 * limit


@pytest.mark.parametrize("fixed", [True, False])
def test_twenty_workers_share_a_day_without_many_refusals(fixed):
    day = SimulatedDay(DailyBucket(14400, fixed, 14400), workers=20).run(0, DAY)
    assert len(day.taken) >= 14400 * (1 if fixed else 1.9)
    assert len(day.refused) < 0.04 * len(day.taken)


@pytest.mark.parametrize("limit", LIMITS)
def test_requests_within_the_even_pace_hardly_wait(limit):
    controller, bucket = QuotaController(chance=lambda: 0.5), DailyBucket(limit, True, limit)
    for quarter in range(1, 90):
        now = quarter * 900.0
        assert controller.wait(now, 10) < 5
        call = controller.begin(now, 10)
        bucket.look(now)
        bucket.level -= 1
        controller.completed(call, now + 0.5, 10, bucket.headers)

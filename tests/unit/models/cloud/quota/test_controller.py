"""Guarantees of the controller for every order of events."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carteiro.models.cloud.quota.controller import MAX_BACKOFF, QuotaController

NAMES = [f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")]
SECONDS = st.floats(0, 40)
CHANCE = st.floats(0, 1)


def headers(limit, remaining, reset, resource="requests"):
    return {
        f"x-ratelimit-limit-{resource}": str(limit),
        f"x-ratelimit-remaining-{resource}": str(remaining),
        f"x-ratelimit-reset-{resource}": reset,
    }


def begin_when_allowed(controller, now, tokens=0):
    """Begin a call as soon as it may begin. Return the call and the time."""
    arrived = now
    for _ in range(1000):
        wait = controller.wait(now, tokens)
        if wait == 0:
            return controller.begin(now, tokens, now - arrived), now
        now += wait + 1e-6
    raise AssertionError("it never begins")


def rate_after(controller, now, seconds=10.0, latency=0.1, **reported):
    """Return the calls per second that the controller begins if every call is settled with these headers."""
    count, end = 0, now + seconds
    while True:
        call, now = begin_when_allowed(controller, now)
        if now >= end:
            return count / seconds
        count += 1
        controller.completed(call, now + latency, 0, **reported)


@settings(deadline=None, max_examples=60)
@given(
    limits=st.tuples(st.integers(1, 40), st.integers(100, 2000)),
    demands=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1), st.floats(0, 1.0), st.floats(0, 30)), max_size=150),
    chance=CHANCE,
)
def test_single_worker_is_never_above_its_limits_in_any_minute(limits, demands, chance):
    requests, tokens = limits
    controller = QuotaController(requests, tokens, lambda: chance)
    now, calls = 0.0, []
    for idle, size, used, latency in demands:
        call, now = begin_when_allowed(controller, now + idle, size * tokens)
        calls.append((now, size * tokens * used))
        controller.completed(call, now + latency * 0.01, size * tokens * used)
    for first in range(len(calls)):
        minute = [spent for at, spent in calls[first:] if at < calls[first][0] + 60]
        assert len(minute) <= requests
        assert sum(minute) <= tokens * (1 + 1e-6)


def test_a_limit_that_is_set_is_used_up():
    controller = QuotaController(requests_per_minute=600)
    assert rate_after(controller, 0.0, 120) == pytest.approx(10, rel=0.02)


def test_tokens_are_reserved_before_and_settled_after():
    controller = QuotaController(tokens_per_minute=1000)
    controller.completed(controller.begin(0, 10), 0.1, 10)
    large = controller.begin(1, 900)
    assert controller.wait(2, 400) > 50
    controller.completed(large, 3, 100)
    assert controller.wait(60.0, 400) == 0


def test_call_above_the_limit_goes_by_itself():
    controller = QuotaController(tokens_per_minute=100)
    _, now = begin_when_allowed(controller, 0, 500)
    assert now == 0
    _, now = begin_when_allowed(controller, now, 500)
    assert 60 <= now < 400


def test_a_server_without_limits_is_not_slowed_down():
    controller = QuotaController()
    controller.completed(controller.begin(0), 0.5)
    for _ in range(10_000):
        assert controller.wait(1) == 0
        controller.begin(1)


def test_before_the_first_answer_calls_double_by_the_clock():
    controller = QuotaController(chance=lambda: 0)
    times, now = [], 0.0
    controller.begin(0)
    for _ in range(63):
        _, now = begin_when_allowed(controller, now)
        times.append(now)
    assert times[-1] == pytest.approx(6, abs=0.1)
    assert times[0] == pytest.approx(1, abs=0.1)


def test_limit_of_the_provider_is_kept():
    controller = QuotaController()
    said = headers(600, 600, "0s")
    rate_after(controller, 0.0, 30, headers=said)
    assert 9 < rate_after(controller, 30.0, 30, headers=said) <= 20.1


def test_controller_slows_down_before_a_rejection():
    controller = QuotaController()
    rate_after(controller, 0.0, 60, headers=headers(600, 590, "1s"))
    assert rate_after(controller, 60.0, 60, headers=headers(600, 240, "36s")) < 2
    assert rate_after(controller, 120.0, 60, headers=headers(600, 590, "1s")) > 5


def test_controller_reaches_the_quota_within_seconds():
    controller = QuotaController()
    said = headers(600, 600, "0s")
    rate_after(controller, 0.0, 15, latency=1.0, headers=said)
    assert rate_after(controller, 15.0, 5, headers=said) > 9


def test_bucket_of_one_second_does_not_count_as_empty():
    controller = QuotaController()
    rate_after(controller, 0.0, 60, headers=headers(600, 9, "100ms"))
    assert rate_after(controller, 60.0, 30, headers=headers(600, 9, "100ms")) > 9


@settings(deadline=None)
@given(
    retry_after=st.floats(0, 1e6),
    chance=CHANCE,
    events=st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["settled", "refused", "abandoned"])), max_size=8),
    sooner=st.floats(0, 10),
)
def test_no_call_begins_before_retry_after(retry_after, chance, events, sooner):
    controller = QuotaController(chance=lambda: chance)
    others = [controller.begin(0) for _ in events]
    controller.rate_limited(controller.begin(0.0), 1.0, retry_after)
    for (share, how), call in zip(sorted(events), others, strict=True):
        now = 1.0 + share * retry_after
        assert now + controller.wait(now) >= 1.0 + retry_after - 1e-6
        if how == "abandoned":
            controller.abandoned(call)
        elif how == "refused":
            controller.rate_limited(call, now, sooner)
        else:
            controller.completed(call, now)
        assert now + controller.wait(now) >= 1.0 + retry_after - 1e-6


def test_after_a_refusal_other_calls_wait_for_the_probe():
    controller = QuotaController(chance=lambda: 0)
    controller.completed(controller.begin(0), 1)
    calls = [controller.begin(2) for _ in range(64)]
    for call in calls[1:]:
        controller.completed(call, 3)
    controller.rate_limited(calls[0], 3, 5)
    scout, now = begin_when_allowed(controller, 3)
    assert now >= 8
    assert controller.wait(now + 0.1) > 0
    controller.rate_limited(scout, now + 0.2, 5)
    second, later = begin_when_allowed(controller, now + 0.2)
    assert later >= now + 5.2
    controller.completed(second, later + 0.1)
    assert begin_when_allowed(controller, later + 0.1)[1] - later < 0.5


def test_slow_answer_delays_no_other_call():
    controller = QuotaController(chance=lambda: 0)
    controller.completed(controller.begin(0), 1)
    calls = [controller.begin(2) for _ in range(64)]
    controller.rate_limited(calls[0], 2.1, 1)
    _, now = begin_when_allowed(controller, 2.1)
    _, later = begin_when_allowed(controller, now)
    assert later - now < 5


def test_abandoned_probe_is_replaced():
    controller = QuotaController(chance=lambda: 0)
    controller.rate_limited(controller.begin(0), 1, 1)
    scout, now = begin_when_allowed(controller, 1)
    controller.abandoned(scout)
    assert begin_when_allowed(controller, now)[1] < now + 20


def test_refusals_of_one_moment_count_once():
    one, many = QuotaController(chance=lambda: 0), QuotaController(chance=lambda: 0)
    for controller, refusals in ((one, 1), (many, 20)):
        controller.completed(controller.begin(0), 0.1)
        calls = [controller.begin(1 + index / 10) for index in range(100)]
        for call in calls[:refusals]:
            controller.rate_limited(call, 11.0, 1)
        for call in calls[refusals:]:
            controller.completed(call, 11.0)
    assert rate_after(many, 13.0, 20) > 0.7 * rate_after(one, 13.0, 20)


def test_rate_is_found_between_refusals_without_headers():
    controller = QuotaController(chance=lambda: 0)
    now, tokens, last = 0.0, 5.0, 0.0
    for _ in range(600):
        call, now = begin_when_allowed(controller, now)
        tokens, last = min(5.0, tokens + (now - last) * 5), now
        if tokens >= 1:
            tokens -= 1
            controller.completed(call, now + 0.01)
        else:
            controller.rate_limited(call, now + 0.01, 0.2)
    assert 600 / now == pytest.approx(5, rel=0.15)


def test_rate_recovers_after_a_storm_of_refusals():
    controller = QuotaController(chance=lambda: 0.5)
    now, refused, answered = 0.0, 0, 0
    while answered < 300:
        call, now = begin_when_allowed(controller, now)
        if now < 10:
            controller.rate_limited(call, now + 0.01, 1)
            refused += 1
        else:
            controller.completed(call, now + 0.01)
            answered += 1
    assert refused < 20
    assert now < 60


def test_a_refusal_of_long_ago_limits_nothing():
    controller = QuotaController(chance=lambda: 0)
    controller.rate_limited(controller.begin(0), 0.1, 1)
    for hours in (1, 24, 10_000):
        assert controller.wait(hours * 3600.0) == 0
        controller.completed(controller.begin(hours * 3600.0), hours * 3600.0 + 0.1)


@pytest.mark.parametrize("pause", [0.05, 1.0, 60.0])
def test_demand_is_no_measure_of_the_quota(pause: float):
    controller = QuotaController(chance=lambda: 0.5)
    now = 0.0
    for _ in range(2):
        for _ in range(6):
            now += pause
            controller.completed(controller.begin(now), now := now + 0.1)
        call, now = begin_when_allowed(controller, now)
        controller.rate_limited(call, now := now + 0.1, 0)
    wave = now
    for _ in range(200):
        call, now = begin_when_allowed(controller, now)
        controller.completed(call, now + 0.1)
    assert now - wave < 25


def test_backoff_grows_without_retry_after():
    controller = QuotaController(chance=lambda: 0)
    now, pauses = 0.0, []
    for _ in range(8):
        call, now = begin_when_allowed(controller, now)
        controller.rate_limited(call, now)
        pauses.append(controller.wait(now))
    assert pauses[0] < 1
    assert all(later > 4 for later in pauses[1:])
    assert pauses[-1] == MAX_BACKOFF / 2


def test_only_the_exhausted_resource_is_slowed_down():
    controller = QuotaController(chance=lambda: 0)
    plenty = headers(6000, 5999, "10ms") | headers(60000, 40000, "20s", "tokens")
    for _ in range(40):
        rate_after(controller, _ * 1.0, 1, headers=plenty)
    before = controller._requests.rate(40)
    call = controller.begin(40, 500)
    controller.rate_limited(call, 40.1, 0.1, headers(6000, 5999, "10ms") | headers(60000, 20, "60s", "tokens"))
    assert controller._requests.rate(40.2) == pytest.approx(before, rel=0.2)
    assert controller._tokens.rate(40.2) < 600


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 500), min_size=1, max_size=30),
    ends=st.lists(st.tuples(st.integers(0, 29), st.sampled_from("sra"), st.integers(0, 800), SECONDS), max_size=60),
)
def test_accounts_are_right_in_any_order(sizes, ends):
    controller = QuotaController(1000, 20_000)
    calls = [controller.begin(0.0, size) for size in sizes]
    expected = [float(size) for size in sizes]
    open_calls = set(range(len(sizes)))
    for index, how, used, at in sorted(ends, key=lambda end: end[3]):
        if index >= len(calls):
            continue
        if index in open_calls:
            expected[index] = {"s": used, "r": 0, "a": sizes[index]}[how]
            open_calls.remove(index)
        if how == "s":
            controller.completed(calls[index], at, used)
        elif how == "r":
            controller.rate_limited(calls[index], at, 0)
        else:
            controller.abandoned(calls[index])
        assert controller.in_flight == len(open_calls)
    assert controller._tokens._sliding_window.amount_spent(59.9) == pytest.approx(sum(expected))
    assert controller._requests._sliding_window.amount_spent(59.9) == len(sizes)
    assert controller._tokens._sliding_window.amount_spent(60.0) == 0


MALFORMED = st.dictionaries(
    st.sampled_from(NAMES),
    st.sampled_from(["", "0", "1", "-5", "nan", "inf", "1e400", "99999999999999", "0s", "6m0s", "1ms", "9d"])
    | st.text(),
    max_size=6,
)


@settings(deadline=None)
@given(st.lists(st.tuples(MALFORMED, st.booleans(), st.floats(0, 100), st.floats(0, 5000)), max_size=30), CHANCE)
def test_invalid_headers_neither_raise_nor_stop_calls(steps, chance):
    controller = QuotaController(chance=lambda: chance)
    now = 0.0
    for said, refused, passes, tokens in steps:
        call, begun = begin_when_allowed(controller, now, tokens)
        assert begun - now < 1000
        now = begun + passes
        if refused:
            controller.rate_limited(call, now, None, said)
        else:
            controller.completed(call, now, tokens, said)
        assert not math.isnan(controller.wait(now, tokens))
        assert controller.wait(now, tokens) < math.inf


def test_huge_reservation_is_returned_completely():
    controller = QuotaController(chance=lambda: 0)
    said = headers(60_000, 59_000, "1s", "tokens")
    for second in range(30):
        controller.completed(controller.begin(second, 100), second + 0.5, 100, said)
    controller.completed(controller.begin(30, 10**400), 31, 10**400, said)
    controller.unused(controller.begin(31, 10**9), 31.1, said)
    assert controller.wait(1000, 10) < 1


def test_unused_tokens_are_returned_at_once():
    controller = QuotaController(tokens_per_minute=1000)
    controller.completed(controller.begin(0, 10), 0.1, 10)
    controller.unused(controller.begin(1, 900), 1.1, {})
    assert controller.wait(1.1, 400) == pytest.approx(0, abs=1)
    assert controller.in_flight == 0


def test_call_that_never_arrived_does_not_count_as_a_request():
    controller = QuotaController(requests_per_minute=2)
    for second in range(5):
        controller.unused(controller.begin(second), second)
    assert controller._requests._sliding_window.amount_spent(6) == 0


def test_retry_after_is_the_wait_of_the_provider():
    controller = QuotaController(chance=lambda: 0)
    assert controller.retry_after(0) == 0
    controller.rate_limited(controller.begin(0), 1.0, 3600)
    assert controller.retry_after(1.0) == 3600
    assert controller.retry_after(3602) == 0


@pytest.mark.parametrize("queued", [True, False])
def test_time_in_the_providers_queue_does_not_change_the_rate_of_other_calls(queued):
    said = headers(60, 30, "30s")
    rates = []
    for waited in (False, True):
        controller = QuotaController(chance=lambda: 0.0)
        now = 0.0
        for _ in range(8 if waited else 0):
            call, now = begin_when_allowed(controller, now)
            controller.completed(call, now + 600, 0, queued=queued)
        rates.append(rate_after(controller, now + 1000, 20, headers=said))
    assert (rates[0] == rates[1]) is queued

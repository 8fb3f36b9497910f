"""What the controller promises, whatever happens in whatever order."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carteiro.models.cloud.quota.controller import LONGEST_BACKOFF, Controller

NAMES = [f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")]
SECONDS = st.floats(0, 40)
CHANCE = st.floats(0, 1)


def headers(limit, remaining, reset, resource="requests"):
    return {
        f"x-ratelimit-limit-{resource}": str(limit),
        f"x-ratelimit-remaining-{resource}": str(remaining),
        f"x-ratelimit-reset-{resource}": reset,
    }


def began(controller, now, tokens=0):
    """Begin a call as soon as it may; returns it and the time."""
    came = now
    for _ in range(1000):
        wait = controller.wait(now, tokens)
        if wait == 0:
            return controller.begin(now, tokens, now - came), now
        now += wait + 1e-6
    raise AssertionError("it never begins")


def rate_after(controller, now, seconds=10.0, latency=0.1, **said):
    """Calls a second that the controller begins while every call is settled and says this."""
    count, end = 0, now + seconds
    while True:
        call, now = began(controller, now)
        if now >= end:
            return count / seconds
        count += 1
        controller.settled(call, now + latency, 0, **said)


@settings(deadline=None, max_examples=60)
@given(
    limits=st.tuples(st.integers(1, 40), st.integers(100, 2000)),
    demands=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1), st.floats(0, 1.0), st.floats(0, 30)), max_size=150),
    chance=CHANCE,
)
def test_alone_it_is_never_above_its_limits_in_any_minute(limits, demands, chance):
    requests, tokens = limits
    controller = Controller(requests, tokens, lambda: chance)
    now, calls = 0.0, []
    for idle, size, used, latency in demands:
        call, now = began(controller, now + idle, size * tokens)
        calls.append((now, size * tokens * used))
        controller.settled(call, now + latency * 0.01, size * tokens * used)
    for first in range(len(calls)):
        minute = [spent for at, spent in calls[first:] if at < calls[first][0] + 60]
        assert len(minute) <= requests
        assert sum(minute) <= tokens * (1 + 1e-6)


def test_a_limit_that_is_set_is_used_up():
    controller = Controller(requests_per_minute=600)
    assert rate_after(controller, 0.0, 120) == pytest.approx(10, rel=0.02)


def test_tokens_are_reserved_before_and_settled_after():
    controller = Controller(tokens_per_minute=1000)
    controller.settled(controller.begin(0, 10), 0.1, 10)
    large = controller.begin(1, 900)
    assert controller.wait(2, 400) > 50
    controller.settled(large, 3, 100)
    assert controller.wait(60.0, 400) == 0


def test_more_tokens_than_the_limit_go_alone_rather_than_never():
    controller = Controller(tokens_per_minute=100)
    _, now = began(controller, 0, 500)
    assert now == 0
    _, now = began(controller, now, 500)
    assert 60 <= now < 400


def test_a_server_without_limits_is_not_slowed_down():
    controller = Controller()
    controller.settled(controller.begin(0), 0.5)
    for _ in range(10_000):
        assert controller.wait(1) == 0
        controller.begin(1)


def test_before_the_first_answer_calls_double_by_the_clock():
    controller = Controller(chance=lambda: 0)
    times, now = [], 0.0
    controller.begin(0)
    for _ in range(63):
        _, now = began(controller, now)
        times.append(now)
    assert times[-1] == pytest.approx(6, abs=0.1)
    assert times[0] == pytest.approx(1, abs=0.1)


def test_a_limit_that_the_provider_says_is_kept_to():
    controller = Controller()
    said = headers(600, 600, "0s")
    rate_after(controller, 0.0, 30, headers=said)
    assert 9 < rate_after(controller, 30.0, 30, headers=said) <= 20.1


def test_it_slows_down_before_anything_is_refused():
    controller = Controller()
    rate_after(controller, 0.0, 60, headers=headers(600, 590, "1s"))
    assert rate_after(controller, 60.0, 60, headers=headers(600, 240, "36s")) < 2
    assert rate_after(controller, 120.0, 60, headers=headers(600, 590, "1s")) > 5


def test_it_is_as_fast_as_the_quota_within_seconds():
    controller = Controller()
    said = headers(600, 600, "0s")
    rate_after(controller, 0.0, 15, latency=1.0, headers=said)
    assert rate_after(controller, 15.0, 5, headers=said) > 9


def test_a_bucket_that_holds_a_second_is_not_taken_for_an_empty_one():
    controller = Controller()
    rate_after(controller, 0.0, 60, headers=headers(600, 9, "100ms"))
    assert rate_after(controller, 60.0, 30, headers=headers(600, 9, "100ms")) > 9


@settings(deadline=None)
@given(
    retry_after=st.floats(0, 1e6),
    chance=CHANCE,
    events=st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["settled", "refused", "abandoned"])), max_size=8),
    sooner=st.floats(0, 10),
)
def test_never_before_retry_after(retry_after, chance, events, sooner):
    controller = Controller(chance=lambda: chance)
    others = [controller.begin(0) for _ in events]
    controller.refused(controller.begin(0.0), 1.0, retry_after)
    for (share, how), call in zip(sorted(events), others, strict=True):
        now = 1.0 + share * retry_after
        assert now + controller.wait(now) >= 1.0 + retry_after - 1e-6
        if how == "abandoned":
            controller.abandoned(call)
        elif how == "refused":
            controller.refused(call, now, sooner)
        else:
            controller.settled(call, now)
        assert now + controller.wait(now) >= 1.0 + retry_after - 1e-6


def test_after_a_refusal_one_goes_first_and_the_others_wait_for_what_it_finds():
    controller = Controller(chance=lambda: 0)
    controller.settled(controller.begin(0), 1)
    calls = [controller.begin(2) for _ in range(64)]
    for call in calls[1:]:
        controller.settled(call, 3)
    controller.refused(calls[0], 3, 5)
    scout, now = began(controller, 3)
    assert now >= 8
    assert controller.wait(now + 0.1) > 0
    controller.refused(scout, now + 0.2, 5)
    second, later = began(controller, now + 0.2)
    assert later >= now + 5.2
    controller.settled(second, later + 0.1)
    assert began(controller, later + 0.1)[1] - later < 0.5


def test_an_answer_that_takes_long_keeps_nobody_waiting():
    controller = Controller(chance=lambda: 0)
    controller.settled(controller.begin(0), 1)
    calls = [controller.begin(2) for _ in range(64)]
    controller.refused(calls[0], 2.1, 1)
    _, now = began(controller, 2.1)
    _, later = began(controller, now)
    assert later - now < 5


def test_a_scout_that_is_abandoned_is_replaced():
    controller = Controller(chance=lambda: 0)
    controller.refused(controller.begin(0), 1, 1)
    scout, now = began(controller, 1)
    controller.abandoned(scout)
    assert began(controller, now)[1] < now + 20


def test_refusals_of_one_moment_count_once():
    one, many = Controller(chance=lambda: 0), Controller(chance=lambda: 0)
    for controller, refusals in ((one, 1), (many, 20)):
        controller.settled(controller.begin(0), 0.1)
        calls = [controller.begin(1 + index / 10) for index in range(100)]
        for call in calls[:refusals]:
            controller.refused(call, 11.0, 1)
        for call in calls[refusals:]:
            controller.settled(call, 11.0)
    assert rate_after(many, 13.0, 20) > 0.7 * rate_after(one, 13.0, 20)


def test_without_headers_it_finds_the_rate_between_refusals():
    controller = Controller(chance=lambda: 0)
    now, tokens, last = 0.0, 5.0, 0.0
    for _ in range(600):
        call, now = began(controller, now)
        tokens, last = min(5.0, tokens + (now - last) * 5), now
        if tokens >= 1:
            tokens -= 1
            controller.settled(call, now + 0.01)
        else:
            controller.refused(call, now + 0.01, 0.2)
    assert 600 / now == pytest.approx(5, rel=0.15)


def test_a_storm_of_refusals_leaves_no_trace_once_it_is_over():
    controller = Controller(chance=lambda: 0.5)
    now, refused, answered = 0.0, 0, 0
    while answered < 300:
        call, now = began(controller, now)
        if now < 10:
            controller.refused(call, now + 0.01, 1)
            refused += 1
        else:
            controller.settled(call, now + 0.01)
            answered += 1
    assert refused < 20
    assert now < 60


def test_a_refusal_of_long_ago_limits_nothing():
    controller = Controller(chance=lambda: 0)
    controller.refused(controller.begin(0), 0.1, 1)
    for hours in (1, 24, 10_000):
        assert controller.wait(hours * 3600.0) == 0
        controller.settled(controller.begin(hours * 3600.0), hours * 3600.0 + 0.1)


@pytest.mark.parametrize("pause", [0.05, 1.0, 60.0])
def test_what_was_wanted_is_no_measure_of_what_is_given(pause: float):
    controller = Controller(chance=lambda: 0.5)
    now = 0.0
    for _ in range(2):
        for _ in range(6):
            now += pause
            controller.settled(controller.begin(now), now := now + 0.1)
        call, now = began(controller, now)
        controller.refused(call, now := now + 0.1, 0)
    wave = now
    for _ in range(200):
        call, now = began(controller, now)
        controller.settled(call, now + 0.1)
    assert now - wave < 25


def test_without_word_of_how_long_it_waits_ever_longer():
    controller = Controller(chance=lambda: 0)
    now, pauses = 0.0, []
    for _ in range(8):
        call, now = began(controller, now)
        controller.refused(call, now)
        pauses.append(controller.wait(now))
    assert pauses[0] < 1
    assert all(later > 4 for later in pauses[1:])
    assert pauses[-1] == LONGEST_BACKOFF / 2


def test_only_what_ran_out_is_slowed_down():
    controller = Controller(chance=lambda: 0)
    plenty = headers(6000, 5999, "10ms") | headers(60000, 40000, "20s", "tokens")
    for _ in range(40):
        rate_after(controller, _ * 1.0, 1, headers=plenty)
    before = controller._requests.rate(40)
    call = controller.begin(40, 500)
    controller.refused(call, 40.1, 0.1, headers(6000, 5999, "10ms") | headers(60000, 20, "60s", "tokens"))
    assert controller._requests.rate(40.2) == pytest.approx(before, rel=0.2)
    assert controller._tokens.rate(40.2) < 600


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 500), min_size=1, max_size=30),
    ends=st.lists(st.tuples(st.integers(0, 29), st.sampled_from("sra"), st.integers(0, 800), SECONDS), max_size=60),
)
def test_in_any_order_the_accounts_are_right(sizes, ends):
    controller = Controller(1000, 20_000)
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
            controller.settled(calls[index], at, used)
        elif how == "r":
            controller.refused(calls[index], at, 0)
        else:
            controller.abandoned(calls[index])
        assert controller.in_flight == len(open_calls)
    assert controller._tokens._window.spent(59.9) == pytest.approx(sum(expected))
    assert controller._requests._window.spent(59.9) == len(sizes)
    assert controller._tokens._window.spent(60.0) == 0


RUBBISH = st.dictionaries(
    st.sampled_from(NAMES),
    st.sampled_from(["", "0", "1", "-5", "nan", "inf", "1e400", "99999999999999", "0s", "6m0s", "1ms", "9d"])
    | st.text(),
    max_size=6,
)


@settings(deadline=None)
@given(st.lists(st.tuples(RUBBISH, st.booleans(), st.floats(0, 100), st.floats(0, 5000)), max_size=30), CHANCE)
def test_rubbish_in_headers_neither_raises_nor_stops_it(steps, chance):
    controller = Controller(chance=lambda: chance)
    now = 0.0
    for said, refused, passes, tokens in steps:
        call, begun = began(controller, now, tokens)
        assert begun - now < 1000
        now = begun + passes
        if refused:
            controller.refused(call, now, None, said)
        else:
            controller.settled(call, now, tokens, said)
        assert not math.isnan(controller.wait(now, tokens))
        assert controller.wait(now, tokens) < math.inf

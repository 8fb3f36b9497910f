"""Invariants of the time at which the next call may begin."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carteiro.models.cloud.quota import bucket_feedback, long_windows
from carteiro.models.cloud.quota.pacer import BURST_SECONDS, Blame, Pacer
from carteiro.models.cloud.quota.rate_limit_headers import DAY, MINUTE, BucketState
from carteiro.models.cloud.quota.sliding_window import Charge

CALLS = st.lists(st.tuples(st.floats(0, 20), st.floats(0, 1)), min_size=1, max_size=80)


def spend_when_allowed(pacer: Pacer, now: float, amount: float) -> tuple[Charge, float]:
    """Spend the amount as soon as the pacer allows it. Return the charge and the time."""
    arrived = now
    for _ in range(1000):
        if (wait := pacer.wait_seconds(now, amount)) == 0:
            return pacer.spend(now, amount, now - arrived), now
        now += wait + 1e-9
    raise AssertionError("the amount may never be spent")


@settings(deadline=None)
@given(st.integers(1, 600), CALLS)
def test_amount_of_any_period_is_at_most_its_rate_and_a_burst(setting: int, calls: list[tuple[float, float]]) -> None:
    """A call begins while the allowance is positive, so one call more may begin in a period."""
    pacer, now, spent = Pacer(setting), 0.0, list[tuple[float, float]]()
    for idle, share in calls:
        _, now = spend_when_allowed(pacer, now + idle, share * setting)
        spent.append((now, share * setting))
    for first in range(len(spent)):
        total = 0.0
        for at, amount in spent[first:]:
            seconds = at - spent[first][0]
            assert total <= setting / MINUTE * (seconds + BURST_SECONDS) * (1 + 1e-6) + 1e-6
            total += amount
            if seconds < MINUTE:
                assert total <= setting * (1 + 1e-6)


@given(CALLS)
def test_calls_without_limits_never_wait(calls: list[tuple[float, float]]) -> None:
    pacer, now = Pacer(None), 0.0
    for idle, amount in calls:
        now += idle
        assert pacer.wait_seconds(now, amount) == 0
        pacer.spend(now, amount, 0.0)
    assert pacer.rate(now) == math.inf


@given(st.integers(1, 600), st.floats(0, 1000), st.floats(0, 1000))
def test_corrected_charge_delays_as_much_as_the_right_one(setting: int, estimate: float, used: float) -> None:
    corrected, right = Pacer(setting), Pacer(setting)
    corrected.correct(corrected.spend(0.0, estimate, 0.0), used)
    right.spend(0.0, used, 0.0)
    assert corrected.wait_seconds(0.0, 1) == pytest.approx(right.wait_seconds(0.0, 1), abs=1e-6)


def test_lowest_of_the_rates_counts() -> None:
    pacer = Pacer(600)
    assert pacer.rate(0.0) == 10
    pacer.learn(0.0, BucketState(60, 59, 1.0), 1, 0.1, accepted=True)
    assert pacer.rate(0.0) < 1
    pacer.learn(0.0, BucketState(86_400, 8_640, DAY / 2, DAY), 1, 0.1, accepted=True)
    assert pacer.rate(0.0, 1) < 0.2


@pytest.mark.parametrize(
    ("states", "blame"),
    [
        ([], Blame.UNKNOWN),
        ([BucketState(600, 590, 1.0)], Blame.NONE),
        ([BucketState(600, 5, 59.0)], Blame.SHORTAGE),
        ([BucketState(14_400, 10_000, 1.0, DAY)], Blame.NONE),
        ([BucketState(14_400, 3, 50_000.0, DAY)], Blame.UNKNOWN),
    ],
)
def test_blame_is_that_of_the_readings(states: list[BucketState], blame: Blame) -> None:
    pacer = Pacer(None)
    for state in states:
        pacer.learn(0.0, state, 1, 0.1, accepted=False)
    assert pacer.blame(0.0, 5) is blame


def test_refusal_slows_down_the_bucket_if_it_is_low_and_else_sets_a_ceiling() -> None:
    low, unknown = Pacer(None), Pacer(None)
    low.learn(0.0, BucketState(600, 5, 59.0), 1, 0.1, accepted=False)
    before = low.rate(0.0)
    low.slow_down(0.0, 0.01, 0.0)
    assert low.rate(0.0) == pytest.approx(before * bucket_feedback.LOW_FILLING_DROP)
    unknown.slow_down(0.0, 1, 0.0)
    assert unknown.rate(0.0) < math.inf


@given(st.floats(0.01, 1))
def test_chance_spreads_the_return_after_a_refusal(chance: float) -> None:
    pacer = Pacer(60)
    pacer.spend(0.0, 0, 0.0)
    pacer.slow_down(0.0, 1, chance)
    assert pacer.wait_seconds(0.0, 1) == pytest.approx(chance / pacer.rate(0.0))


@given(st.floats(1, 10**9), st.booleans())
def test_pause_is_bounded_so_that_readings_keep_coming(amount: float, is_long: bool) -> None:
    pacer = Pacer(None)
    state = BucketState(14_400, 10, 80_000.0, DAY) if is_long else BucketState(60, 1, 59.0)
    longest = long_windows.MAX_PAUSE_SECONDS if is_long else bucket_feedback.MAX_PAUSE_SECONDS
    pacer.learn(0.0, state, 1, 0.1, accepted=True)
    for _ in range(5):
        pacer.spend(0.0, amount, 0.0)
    assert pacer.wait_seconds(0.0, 1) <= longest * (1 + 1e-9)


def test_silence_expires_the_last_reading() -> None:
    pacer = Pacer(None)
    pacer.learn(0.0, BucketState(60, 59, 1.0), 1, 0.1, accepted=True)
    pacer.learn_silence(bucket_feedback.SIGNAL_SECONDS - 1)
    assert pacer.rate(bucket_feedback.SIGNAL_SECONDS) < math.inf
    pacer.learn_silence(bucket_feedback.SIGNAL_SECONDS + 1)
    assert pacer.rate(bucket_feedback.SIGNAL_SECONDS + 1) == math.inf

"""Invariants of the rate that headers steer."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.quota.bucket_feedback import (
    HEADROOM,
    LOW_FILLING_DROP,
    MAX_PAUSE_SECONDS,
    SIGNAL_SECONDS,
    TOP,
    BucketFeedback,
)
from carteiro.models.cloud.quota.rate_limit_headers import MINUTE, BucketState

LIMITS = st.integers(1, 100_000)
READINGS = st.lists(
    st.tuples(st.floats(0, 30), st.floats(0, 1), st.none() | st.floats(0, 90), st.booleans(), st.booleans()),
    min_size=1,
    max_size=60,
)


def feedback_of(limit: float, share: float, first: int = 0, setting: float | None = None) -> BucketFeedback:
    """Return feedback after a reading in each second from `first` to 59, all of a bucket that is full to this share."""
    feedback = BucketFeedback(setting)
    read(feedback, limit, share, range(first, 60))
    return feedback


def read(feedback: BucketFeedback, limit: float, share: float, seconds: range) -> None:
    """Have the feedback learn that a bucket is full to this share, in each second."""
    for now in seconds:
        feedback.record_wait()
        state = BucketState(limit, limit * share, MINUTE * (1 - share))
        feedback.learn(now, state, MINUTE, 1, 1.0, accepted=True)


def test_rate_is_unlimited_without_a_reading() -> None:
    feedback = BucketFeedback(None)
    assert (feedback.rate(0.0), feedback.limit, feedback.base_rate) == (math.inf, None, 0)
    feedback.learn(0.0, BucketState(None, 5, None), MINUTE, 1, 1.0, accepted=True)
    assert feedback.rate(0.0) == math.inf


@given(LIMITS, READINGS, st.integers(1, 5000), st.none() | st.integers(1, 1000))
def test_rate_is_between_a_call_in_two_minutes_and_twice_the_quota(
    limit: int, readings: list[tuple[float, float, float | None, bool, bool]], amount: int, setting: int | None
) -> None:
    feedback, now = BucketFeedback(setting), 0.0
    for passed, share, reset, accepted, waited in readings:
        now += passed
        if waited:
            feedback.record_wait()
        feedback.learn(now, BucketState(limit, limit * share, reset), MINUTE, amount, 0.5, accepted=accepted)
        capped = min(amount, limit, setting or math.inf)
        most = max(2 * min(limit, setting or math.inf) / MINUTE * HEADROOM, capped / MAX_PAUSE_SECONDS)
        assert 0 < feedback.rate(now) <= most * (1 + 1e-9)
        assert feedback.base_rate >= capped / MAX_PAUSE_SECONDS * (1 - 1e-9)


@given(st.integers(100, 100_000))
def test_full_bucket_raises_the_rate_and_an_empty_one_lowers_it(limit: int) -> None:
    full = feedback_of(limit, 1.0)
    assert full.rate(60) >= limit / MINUTE * HEADROOM * 0.99
    before = full.base_rate
    read(full, limit, 0.02, range(60, 120))
    assert full.base_rate < before / 2


@given(st.integers(1000, 100_000), st.floats(0.01, 0.99))
def test_same_readings_bring_two_workers_closer(limit: int, share: float) -> None:
    fast, slow = feedback_of(limit, 1.0), feedback_of(limit, 1.0, first=58)
    before = fast.base_rate / slow.base_rate
    for each in (fast, slow):
        read(each, limit, share, range(60, 90))
    assert abs(math.log(fast.base_rate / slow.base_rate)) < math.log(before)


def test_old_reading_expires() -> None:
    feedback = feedback_of(600, TOP)
    feedback.expire(59 + SIGNAL_SECONDS)
    assert feedback.rate(59 + SIGNAL_SECONDS) < math.inf
    feedback.expire(60 + SIGNAL_SECONDS)
    assert feedback.rate(60 + SIGNAL_SECONDS) == math.inf


@given(LIMITS, st.integers(1, 10**9), st.none() | LIMITS)
def test_amount_is_capped_by_the_lower_limit(limit: int, amount: int, setting: int | None) -> None:
    feedback = feedback_of(limit, 0.5, first=59, setting=setting)
    assert feedback.limit == min(limit, setting or limit)
    assert feedback.capped(amount) == min(amount, limit, setting or limit)


def test_limit_of_a_second_counts_for_a_minute() -> None:
    feedback = BucketFeedback(None)
    feedback.learn(0.0, BucketState(10, 9, 1.0), 1.0, 1, 0.5, accepted=True)
    assert feedback.limit == 600


def test_low_bucket_explains_a_refusal_and_lowers_the_rate() -> None:
    feedback = feedback_of(600, 0.05)
    assert feedback.is_low(1)
    before = feedback.base_rate
    feedback.slow_down(0)
    assert feedback.base_rate == pytest.approx(before * LOW_FILLING_DROP)
    full = feedback_of(600, 0.95)
    assert not full.is_low(1)
    assert full.is_low(300)


def test_forgotten_limit_leaves_only_the_setting() -> None:
    feedback = feedback_of(600, 1.0, setting=1000)
    feedback.forget_limit()
    assert (feedback.limit, feedback.rate(60)) == (1000, math.inf)

"""Invariants of the ceiling after refusals."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.quota.refusal_ceiling import (
    DROP,
    MIN_MEASURED_CALLS,
    RETURN_SECONDS,
    UNMEASURED_SECONDS,
    RefusalCeiling,
)

RATES = st.floats(0.01, 10_000)


def measured_ceiling(rate: float, calls: int = 20, amount: float = 1.0) -> RefusalCeiling:
    """Return the ceiling after calls at this rate, all of which waited, and a refusal at twice their rate."""
    ceiling = RefusalCeiling()
    for index in range(calls):
        ceiling.record_call(index / rate, amount, 1 / rate)
    ceiling.lower(calls / rate, amount, 2.5 * rate * amount)
    return ceiling


def test_there_is_no_ceiling_before_a_refusal() -> None:
    ceiling = RefusalCeiling()
    ceiling.record_call(0.0, 1, 0.0)
    assert ceiling.rate(1000.0) == math.inf


@given(st.floats(0.5, 20))
def test_accepted_amount_between_refusals_is_the_rate(rate: float) -> None:
    ceiling = measured_ceiling(rate)
    peak = ceiling.rate(20 / rate) / DROP
    assert peak == pytest.approx(20 / max(20 / rate, 1.0), rel=0.06)


@given(st.floats(0.5, 20), st.lists(st.floats(0, 300), min_size=2, max_size=20))
def test_ceiling_only_rises_until_the_next_refusal(rate: float, seconds: list[float]) -> None:
    ceiling, cut = measured_ceiling(rate), 20 / rate
    rates = [ceiling.rate(cut + each) for each in sorted(seconds)]
    assert rates == sorted(rates)
    assert ceiling.rate(cut + RETURN_SECONDS) == pytest.approx(ceiling.rate(cut) / DROP)


@given(RATES)
def test_time_to_come_back_does_not_depend_on_the_rate(rate: float) -> None:
    """The cubic of RFC 9438, section 4.2, by half of its time: 7/8 of the drop is made up for."""
    ceiling = RefusalCeiling()
    for index in range(MIN_MEASURED_CALLS):
        ceiling.record_call(float(index), rate, 1.0)
    ceiling.lower(float(MIN_MEASURED_CALLS), rate, 100 * rate)
    peak = ceiling.rate(MIN_MEASURED_CALLS + RETURN_SECONDS)
    assert ceiling.rate(MIN_MEASURED_CALLS + RETURN_SECONDS / 2) == pytest.approx(peak * (1 - (1 - DROP) / 8))


@given(st.floats(0.1, 1000))
def test_unmeasured_ceiling_begins_low_and_doubles(amount: float) -> None:
    ceiling = RefusalCeiling()
    ceiling.record_call(0.0, amount, 0.0)
    ceiling.discount(0.0, amount)
    ceiling.lower(0.0, amount, math.inf)
    assert ceiling.rate(0.0) == pytest.approx(amount / UNMEASURED_SECONDS)
    assert ceiling.rate(2 * UNMEASURED_SECONDS) == pytest.approx(4 * amount / UNMEASURED_SECONDS)


def test_demand_of_a_worker_that_hardly_waits_is_only_a_lower_bound() -> None:
    ceiling = RefusalCeiling()
    for second in range(30):
        ceiling.record_call(float(second), 1, 0.0)
    ceiling.lower(30.0, 1, 10.0)
    assert ceiling.rate(30.0) == 5.0


def test_corrected_and_refused_amounts_do_not_count_as_accepted() -> None:
    ceiling = RefusalCeiling()
    for second in range(20):
        ceiling.record_call(float(second), 1000, 1.0)
        ceiling.correct(float(second), -900)
    ceiling.record_call(19.0, 1000, 1.0)
    ceiling.discount(19.0, 1000)
    ceiling.lower(20.0, 100, 10_000.0)
    assert ceiling.rate(20.0 + RETURN_SECONDS) == pytest.approx(100)


def test_few_accepted_calls_measure_no_rate() -> None:
    ceiling = RefusalCeiling()
    for second in range(MIN_MEASURED_CALLS - 1):
        ceiling.record_call(float(second), 1, 1.0)
    for _ in range(MIN_MEASURED_CALLS):
        ceiling.record_call(3.0, 1, 1.0)
        ceiling.discount(3.0, 1)
    ceiling.lower(4.0, 1, 100.0)
    assert ceiling.rate(4.0) == pytest.approx(100 * DROP)


def test_new_measurement_ignores_earlier_calls() -> None:
    ceiling = measured_ceiling(10.0)
    ceiling.restart_measurement(2.0)
    ceiling.correct(1.0, 10**6)
    for index in range(20):
        ceiling.record_call(2.0 + index, 1, 1.0)
    ceiling.lower(22.0, 1, 10.0)
    assert ceiling.rate(22.0 + RETURN_SECONDS) == pytest.approx(1.0)

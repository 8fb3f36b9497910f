"""The window of a quota, estimated from the readings of its bucket."""

import pytest

from carteiro.models.cloud.quota.rate_limit_headers import DAY, HOUR, MINUTE, parse_bucket_states
from carteiro.models.cloud.quota.window_estimator import WindowEstimator


def bucket_state(limit, remaining, reset):
    headers = {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(remaining),
        "x-ratelimit-reset-requests": reset,
    }
    (reading,) = parse_bucket_states(headers, "requests")
    return reading


def window_after(*responses):
    unit = WindowEstimator()
    return [unit.window_of(bucket_state(*each)) for each in responses][-1]


@pytest.mark.parametrize(
    ("responses", "window"),
    [
        ([(14400, 14370, "2m59.56s")], DAY),  # Groq
        ([(200, 199, "7m12s")], DAY),  # a lower tier of OpenAI
        ([(10000, 9999, "8.64s"), (10000, 9998, "17.28s")], DAY),
        ([(14400, 14399, "6s"), (14400, 14398, "12s")], DAY),
        ([(1000, 999, "23h59m59s")], DAY),  # reset at midnight
        ([(1000, 20, "23h59m59s"), (1000, 3, "40s")], DAY),  # the last minute before midnight
        ([(5000, 4900, "59m30s")], HOUR),
        ([(3500, 3499, "17ms")], MINUTE),
        ([(600, 599, "1")], MINUTE),  # Azure rounds to seconds
        ([(600, 590, "58s"), (600, 580, "57s"), (600, 570, "56s")], MINUTE),  # reset each minute
        ([(600, 9, "100ms")], MINUTE),  # a bucket that holds a second
        ([(60000, 0, "1m10s")], MINUTE),  # overdrawn
    ],
)
def test_window_is_estimated_from_limit_remaining_and_reset(responses, window):
    assert window_after(*responses) == window


def test_a_minute_that_resets_at_a_days_pace_by_chance_is_a_minute():
    """One request of 1,464 used, 59 s to go: a single reading that would fit a day's bucket."""
    assert window_after((1464, 1463, "59s"), (1464, 1453, "58s"), (1464, 1443, "57s")) == MINUTE


def test_proven_day_is_dropped_after_contradicting_readings():
    minute = [(600, 600 - used, f"{used / 10:.2f}s") for used in (30, 60, 90)]
    assert window_after((600, 599, "6h0m0s"), *minute[:2]) == DAY
    assert window_after((600, 599, "6h0m0s"), *minute) == MINUTE

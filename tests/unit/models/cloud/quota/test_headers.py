"""What is read of rate-limit headers, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.quota.headers import Reading, duration, read


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1s", 1.0),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        ("1d", 86400.0),
        (" 7.66s ", 7.66),
        ("10", 10.0),
        ("0s", 0.0),
    ],
)
def test_durations(text, seconds):
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", [None, "", "soon", "-1s", "1 s", "1s soon", "nan", "inf", "1e9", "s", "٣s", "0x10", "1..2s"]
)
def test_what_is_no_duration(text):
    assert duration(text) is None


def test_a_whole_set_of_headers():
    headers = {
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6ms",
        "x-ratelimit-limit-requests": "60",
    }
    assert read(headers, "tokens") == Reading(150000, 149984, 0.006)
    assert read(headers, "requests") == Reading(60, None, None)


def test_a_limit_of_nothing_is_no_limit():
    assert read({"x-ratelimit-limit-tokens": "0"}, "tokens").limit is None


@given(st.text() | st.from_regex(r"[\d.smhd-]{1,40}") | st.none() | st.integers())
def test_rubbish_never_raises(text):
    seconds = duration(text)  # type: ignore[arg-type]
    assert seconds is None or 0 <= seconds < float("inf")

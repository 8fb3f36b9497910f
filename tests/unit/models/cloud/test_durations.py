"""Durations and times in text: readable forms, and unreadable ones."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.durations import parse_date, parse_duration, parse_number, seconds_until, server_time

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONG_UNITS = {
    "millis": 1e-3,
    "msecs": 1e-3,
    "seconds": 1.0,
    "mins": 60.0,
    "minutes": 60.0,
    "hrs": 3600.0,
    "day": 86400.0,
}


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
        ("1 s", 1.0),
        ("1 minute and 30 seconds", 90.0),
        ("PT1M30S", 90.0),
        ("p1dt1s", 86401.0),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", [None, "", "soon", "-1s", "1s soon", "nan", "inf", "1e9", "s", "٣s", "0x10", "1..2s", "1sec0nds", "P", "PT"]
)
def test_invalid_duration_is_none(text: str | None) -> None:
    assert parse_duration(text) is None


PARTS = st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from([*UNITS, *LONG_UNITS])), min_size=1, max_size=5)


@given(PARTS, st.sampled_from(["", " "]), st.sampled_from([" ", ", ", " and "]))
def test_sum_of_the_parts_is_read_in_all_units(parts: list[tuple[int, str]], blank: str, separator: str) -> None:
    text = separator.join(f"{amount}{blank}{unit}" for amount, unit in parts)
    expected = sum(amount * (UNITS | LONG_UNITS)[unit] for amount, unit in parts)
    assert parse_duration(text) == pytest.approx(expected)


@given(st.text() | st.from_regex(r"[\d.smhd-]{1,40}") | st.none() | st.integers())
def test_invalid_duration_never_raises(text: str | None) -> None:
    for seconds in (parse_duration(text), seconds_until(text, NOW), parse_number(text)):
        assert seconds is None or 0 <= seconds < float("inf")


@given(st.integers(0, 10**9 - 1))
def test_number_below_a_time_is_a_duration(seconds: int) -> None:
    assert seconds_until(str(seconds), NOW) == seconds


@given(st.datetimes(datetime(2001, 9, 10), datetime(2400, 1, 1)))
def test_time_is_the_same_in_every_form(at: datetime) -> None:
    at = at.replace(microsecond=0, tzinfo=UTC)
    expected = max(0.0, (at - NOW).total_seconds())
    stamp = int(at.timestamp())
    for text in (at.isoformat(), format_datetime(at, usegmt=True), str(stamp), str(stamp * 1000)):
        assert seconds_until(text, NOW) == pytest.approx(expected)


def test_time_without_a_zone_is_in_utc() -> None:
    assert parse_date("2026-01-01T12:01:30") == NOW + timedelta(seconds=90)


@pytest.mark.parametrize("text", [None, "", "2026-13-45", "soon", "Thu, 99 Jan 2026 00:00:00 GMT", "2026-01-01" * 20])
def test_invalid_date_is_none(text: str | None) -> None:
    assert parse_date(text) is None


def test_clock_of_the_server_counts() -> None:
    assert server_time({"date": format_datetime(NOW, usegmt=True)}) == NOW
    assert abs(server_time({}) - datetime.now(UTC)) < timedelta(minutes=1)

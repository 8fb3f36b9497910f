"""Seconds that providers ask to wait, in each of their forms."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.errors import failure_of_response
from carteiro.models.cloud.retry_after import retry_after
from carteiro.models.errors import RateLimited
from tests.unit.models.cloud.cloud_models import endpoint, open_cloud_model

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)
DATE = format_datetime(NOW, usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (" 7.5 ", 7.5),
        ("20s", 20.0),
        ("1m30s", 90.0),
        ("1m23.4s", 83.4),
        ("250ms", 0.25),
        ("2h", 7200.0),
        ("22 seconds", 22.0),
        ("1 minute 30 seconds", 90.0),
        (format_datetime(LATER, usegmt=True), 90.0),
        (LATER.strftime("%A, %d-%b-%y %H:%M:%S GMT"), 90.0),
        (LATER.strftime("%a %b %e %H:%M:%S %Y"), 90.0),
        (LATER.isoformat(), 90.0),
        ("2026-01-01T12:01:30Z", 90.0),
        (str(int(LATER.timestamp())), 90.0),
        (str(int(LATER.timestamp() * 1000)), 90.0),
        ("Thu, 01 Jan 2015 00:00:00 GMT", 0.0),
        ("120, 240", 240.0),
        ("120; comment", 120.0),
        ('"30"', 30.0),
        ("PT1M30S", 90.0),
        ("P1DT1S", 86401.0),
        ("-1", None),
        ("-1, -2", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("soon", None),
        ("", None),
        ("2026-13-45", None),
    ],
)
def test_retry_after_in_each_form(value: str, seconds: float | None) -> None:
    waited = retry_after({"date": DATE, "retry-after": value})
    assert waited == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "8"}, 1.5),
        ({"retry-after-ms": "-1", "retry-after": "8"}, 8.0),
        ({"x-ratelimit-reset-after": "4.5"}, 4.5),
        ({"x-ratelimit-reset": str(int(LATER.timestamp() * 1000)), "x-ratelimit-remaining": "0"}, 90.0),
        ({"x-ratelimit-reset": str(int(LATER.timestamp()))}, 90.0),
        ({"ratelimit-reset": "50"}, 50.0),
        ({"x-ratelimit-reset-tokens-minute": "20", "x-ratelimit-remaining-tokens-minute": "0"}, 20.0),
        ({"x-ratelimit-reset-requests-day": "9000", "x-ratelimit-remaining-requests-day": "0"}, 9000.0),
        ({"ratelimit": '"default";r=0;t=50'}, 50.0),
        ({"ratelimit": "limit=100, remaining=0, reset=50"}, 50.0),
        ({"ratelimit": "limit=100, remaining=7, reset=50"}, None),
        ({"x-ratelimit-reset-requests": "1m30s", "x-ratelimit-remaining-requests": "0"}, 90.0),
        ({"x-ratelimit-reset-requests": "1m30s", "x-ratelimit-remaining-requests": "3"}, None),
        ({"x-ratelimit-reset-requests": "1m30s"}, None),
        (
            {
                "anthropic-ratelimit-tokens-reset": "2026-01-01T12:01:30Z",
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-01-01T12:59:00Z",
                "anthropic-ratelimit-requests-remaining": "40",
            },
            90.0,
        ),
    ],
)
def test_wait_is_read_from_other_headers(headers: dict[str, str], seconds: float | None) -> None:
    waited = retry_after({"date": DATE, **headers})
    assert waited == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again in 6.57s. Need more tokens?", 6.57),
        ("Please try again in 1m23.4s.", 83.4),
        ("Please try again in 250ms.", 0.25),
        ("Please retry after 22 seconds.", 22.0),
        ("Please retry in 12.5s.", 12.5),
        ("please try again after 1 seconds", 1.0),
        ("Please wait for 30 seconds before retrying.", 30.0),
        ("The limit resets in 2 minutes", 120.0),
        ("You will regain access on 2026-01-01 at 13:00 UTC", 3600.0),
        ("Wait 5 seconds before retrying", 5.0),
        ("You can make your next request in 17 seconds.", 17.0),
        ("The limit resets at: 2026-01-01 12:01:30 UTC", 90.0),
        ("Please retry after 2026-01-01T12:01:30Z", 90.0),
        ("Please try again later", None),
        ("You have tried 100 times in 20 years", None),
    ],
)
def test_wait_is_read_from_a_message(message: str, seconds: float | None) -> None:
    body = {"error": {"message": f"Rate limit reached: {message}"}}
    failed = failure_of_response(429, body, "openai:echo", endpoint("http://nowhere"), {"Date": DATE})
    assert isinstance(failed, RateLimited)
    assert failed.retry_after == (None if seconds is None else pytest.approx(seconds))


def test_header_counts_before_the_message() -> None:
    body = {"error": {"message": "Please try again in 20s"}}
    failed = failure_of_response(429, body, "openai:echo", endpoint("http://nowhere"), {"Retry-After": "3"})
    assert isinstance(failed, RateLimited)
    assert failed.retry_after == 3


def test_wait_is_read_from_quoted_headers() -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(LATER.timestamp() * 1000))}
    body = {"error": {"message": "Rate limit exceeded", "code": 429, "metadata": {"headers": headers}}}
    failed = failure_of_response(429, body, "openai:echo", endpoint("http://nowhere"), {"Date": DATE})
    assert isinstance(failed, RateLimited)
    assert failed.retry_after == pytest.approx(90)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_no_wait_or_a_bounded_one(value: str, words: str) -> None:
    waited = retry_after({"retry-after": value, "ratelimit": value, "date": value}, value, words, 3600)
    assert waited is None or 0 <= waited <= 3600


def test_wait_is_bounded_by_an_hour() -> None:
    failed = failure_of_response(429, {}, "openai:echo", endpoint("http://nowhere"), {"Retry-After": "86400"})
    assert isinstance(failed, RateLimited)
    assert failed.retry_after == 3600


async def test_bound_is_a_setting() -> None:
    model = open_cloud_model("openai:echo", OPENAI_API_KEY="k", CARTEIRO_MAX_RETRY_AFTER_SECONDS="60")
    failed = failure_of_response(429, {}, model.name, model._endpoint, {"Retry-After": "86400"})
    await model.close()
    assert isinstance(failed, RateLimited)
    assert failed.retry_after == 60

"""Rate-limit headers: readable forms, and unreadable ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.quota.rate_limit_headers import (
    DAY,
    MINUTE,
    SECOND,
    BucketState,
    parse_bucket_states,
)


def test_complete_set_of_headers_is_read():
    headers = {
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6ms",
        "x-ratelimit-limit-requests": "60",
    }
    assert next(parse_bucket_states(headers, "tokens")) == BucketState(150000, 149984, 0.006)
    assert next(parse_bucket_states(headers, "requests")) == BucketState(60, None, None)


DATE = {"date": "Fri, 07 Mar 2025 00:00:00 GMT"}


def rate_limit_headers(prefix, *values, suffix=""):
    return dict(zip((f"{prefix}{part}{suffix}" for part in ("limit", "remaining", "reset")), values, strict=True))


@pytest.mark.parametrize(
    ("headers", "requests", "tokens"),
    [
        (
            rate_limit_headers("x-ratelimit-", "14400", "14370", "33011.382867", suffix="-requests-day")
            | rate_limit_headers("x-ratelimit-", "60000", "59000", "11.38", suffix="-tokens-minute"),
            [BucketState(14400, 14370, 33011.382867, DAY)],
            [BucketState(60000, 59000, 11.38, MINUTE)],
        ),  # Cerebras
        (
            {"x-ratelimit-limit-req-minute": "60", "x-ratelimit-remaining-req-minute": "59"}
            | rate_limit_headers("ratelimitbysize-", "500000", "499000", "28"),
            [BucketState(60, 59, None, MINUTE)],
            [BucketState(500000, 499000, 28)],
        ),  # Mistral
        (
            rate_limit_headers("anthropic-ratelimit-requests-", "50", "49", "2025-03-07T00:00:30Z")
            | rate_limit_headers("anthropic-ratelimit-tokens-", "40000", "39000", "2025-03-07T00:01:00+00:00"),
            [BucketState(50, 49, 30)],
            [BucketState(40000, 39000, 60)],
        ),
        (
            rate_limit_headers("x-ratelimit-", "10", "9", "1")
            | {"x-tokenlimit-limit": "3000", "x-tokenlimit-remaining": "2000"},
            [BucketState(10, 9, 1, SECOND)],
            [BucketState(3000, 2000, 1, SECOND)],
        ),  # Together
        (rate_limit_headers("x-ratelimit-", "20", "0", "1741305660000"), [BucketState(20, 0, 60)], []),  # OpenRouter
        (rate_limit_headers("x-ratelimit-", "20", "0", "1741305660"), [BucketState(20, 0, 60)], []),
        (
            rate_limit_headers("ratelimit-", "100, 100;w=60", "7", "12"),
            [BucketState(100, 7, 12)],
            [],
        ),  # the IETF's draft
        (
            rate_limit_headers("x-ratelimit-", "60", "59", "1s", suffix="-requests")
            | rate_limit_headers("x-ratelimit-", "1000", "999", "3h", suffix="-requests-day"),
            [BucketState(60, 59, 1), BucketState(1000, 999, 10800, DAY)],
            [],
        ),
        ({"x-ratelimit-limit-requests": "five", "x-ratelimit-reset-requests": "2025-13-99"}, [], []),
    ],
)
def test_headers_of_many_providers_are_read(headers, requests, tokens):
    assert list(parse_bucket_states(headers | DATE, "requests")) == requests
    assert list(parse_bucket_states(headers | DATE, "tokens")) == tokens


def test_limit_of_zero_is_ignored():
    assert list(parse_bucket_states({"x-ratelimit-limit-tokens": "0"}, "tokens")) == []


NAMES = [
    f"{prefix}{part}{suffix}"
    for prefix in ("x-ratelimit-", "anthropic-ratelimit-requests-", "ratelimit-", "ratelimitbysize-")
    for part in ("limit", "remaining", "reset")
    for suffix in ("", "-requests", "-requests-day", "-tokens")
]
MALFORMED = st.text() | st.sampled_from(
    ["1e400", "9" * 400, "-1", "9999-12-31T23:59:59Z", "0001-01-01", "1741305660000"]
)


@given(st.dictionaries(st.sampled_from([*NAMES, "date", "x-tokenlimit-limit"]), MALFORMED))
def test_invalid_header_never_raises(headers):
    for resource in ("requests", "tokens"):
        for reading in parse_bucket_states(headers, resource):
            assert reading.reset is None or 0 <= reading.reset < float("inf")

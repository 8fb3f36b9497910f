"""Seconds for which a provider asks for no calls."""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import get_args

from carteiro.models.cloud.durations import (
    DURATION_PATTERN,
    parse_duration,
    parse_number,
    seconds_until,
    server_time,
)
from carteiro.models.cloud.quota.rate_limit_headers import Resource, parse_bucket_states

_MAX_CHARACTERS = 100
"""Characters of a header that are read."""
# In "1m23.4s" the next number follows a unit at once. A number before "-" or ":" is a part of a date.
_DELAY_WORDING = re.compile(
    r"(?:\b(?:try|retry|retrydelay|wait|available|resets?|retried|again|access|next request)\b[^.\n\d]{0,40}?"
    r"(?:\bin|\bafter|\bfor|\bwait|:)|\bwait)\s+(?:about |approximately |at least )?"
    rf"({DURATION_PATTERN}|\d{{1,9}}(?:\.\d{{1,9}})?(?![\d:.]*[-:]))",
    re.ASCII,
)
_DATE_WORDING = re.compile(
    r"\b(?:again|access|resets?|available|retry)\b[^.\n\d]{0,20}(?:\b(?:on|at|after):?|:) "
    r"(\d{4}-\d\d-\d\d(?:[t ](?:at )?\d\d:\d\d(?::\d\d(?:\.\d+)?)?)? ?(?:z|utc)?)"
)
_RESET_HEADERS = (
    ("anthropic-ratelimit-input-tokens-reset", "anthropic-ratelimit-input-tokens-remaining"),
    ("anthropic-ratelimit-output-tokens-reset", "anthropic-ratelimit-output-tokens-remaining"),
    ("x-ratelimit-reset", "x-ratelimit-remaining"),
    ("ratelimit-reset", "ratelimit-remaining"),
    ("x-rate-limit-reset", "x-rate-limit-remaining"),
)
"""Headers with the reset of a limit, and headers with its remaining amount, besides those of buckets."""
_SINGLE_LIMIT_HEADERS = ("x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset")
"""Headers for a single limit, which is the limit that was reached."""
_IETF = re.compile(r"\br(?:emaining)?=0\b.*?\b(?:t|reset)=(\d{1,9})")
"""`RateLimit: "default";r=0;t=50` (draft-ietf-httpapi-ratelimit-headers)."""


def retry_after(
    headers: Mapping[str, str], delay: str | None = None, message: str = "", max_seconds: float = math.inf
) -> float | None:
    """Return the seconds that a refusal asks to wait, at most `max_seconds`; None if it gives no valid time.

    `headers` have names in lower case. `retry-after-ms` is OpenAI's and Azure's. `Retry-After` is seconds or a date
    (RFC 9110, section 10.2.3); some servers send a unit, ISO 8601 or seconds since 1970. A date is relative to the
    server's own `Date`, so a wrong local clock does no harm. `delay` is that of `google.rpc.RetryInfo`; `message` is in
    lower case. The reset of a limit counts only if there is no other information: the reset is mostly the time at which
    the whole limit is available again.
    """
    now = server_time(headers)
    milliseconds = parse_number(headers.get("retry-after-ms"))
    found = (
        milliseconds / 1000 if milliseconds is not None else None,
        parse_delay(headers.get("retry-after"), now),
        parse_delay(delay, now),
        parse_delay(headers.get("x-ratelimit-reset-after"), now),
        _delay_in_message(message, now),
        _delay_from_resets(headers, now),
    )
    wait = next((each for each in found if each is not None), None)
    return None if wait is None else min(wait, max_seconds)


def parse_delay(value: str | None, now: datetime) -> float | None:
    """Return the seconds from `now` that a value means: a number, a duration, a date, or a time since 1970.

    Of several values the largest counts: a proxy adds its own header to the provider's.
    """
    value = value.strip(" \t\"'")[:_MAX_CHARACTERS] if isinstance(value, str) else ""
    found = seconds_until(value, now)
    if found is not None or not value:
        return found
    parts = (seconds_until(part, now) for part in re.split("[,;]", value))
    return max((each for each in parts if each is not None), default=None)


def _delay_in_message(message: str, now: datetime) -> float | None:
    if delay := _DELAY_WORDING.search(message):
        return parse_duration(delay[1])
    if dated := _DATE_WORDING.search(message):
        return parse_delay(dated[1].replace("at ", "").replace(" utc", "z").upper(), now)
    return None


def _delay_from_resets(headers: Mapping[str, str], now: datetime) -> float | None:
    waits = [
        wait
        for reset, remaining in _RESET_HEADERS
        if (wait := parse_delay(headers.get(reset), now)) is not None
        and (parse_number(headers.get(remaining)) == 0 or (remaining not in headers and reset in _SINGLE_LIMIT_HEADERS))
    ]
    for resource in get_args(Resource):
        waits += [
            each.reset
            for each in parse_bucket_states(headers, resource)
            if each.remaining == 0 and each.reset is not None
        ]
    if field := _IETF.search(headers.get("ratelimit", "")[:_MAX_CHARACTERS]):
        waits.append(float(field[1]))
    return max(waits, default=None)

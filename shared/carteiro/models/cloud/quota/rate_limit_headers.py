"""Rate-limit headers of providers, as readings of buckets.

Sources: https://platform.openai.com/docs/guides/rate-limits (OpenAI, Azure OpenAI, Groq, Fireworks:
`x-ratelimit-limit-requests`), https://inference-docs.cerebras.ai/support/rate-limits (`x-ratelimit-limit-requests-day`;
Mistral has `req` for requests), https://docs.anthropic.com/en/api/rate-limits (`anthropic-ratelimit-requests-limit`),
https://docs.together.ai/docs/rate-limits (`x-ratelimit-limit` and `x-tokenlimit-limit`, for a second),
https://openrouter.ai/docs/api-reference/limits (`X-RateLimit-Reset` in milliseconds since 1970), and the IETF's draft
of `RateLimit-Limit`. Servers send some of them, none, or something else under the same names. Unreadable text counts as
absent.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from carteiro.models.cloud.durations import parse_duration, parse_number, seconds_until, server_time

Resource = Literal["requests", "tokens"]

SECOND, MINUTE, HOUR, DAY, MONTH = 1.0, 60.0, 3600.0, 86400.0, 30 * 86400.0
"""Windows of quotas, in seconds."""
_MAX_RESET = 2 * MONTH
_WINDOWS = {"": None, "-second": SECOND, "-minute": MINUTE, "-hour": HOUR, "-day": DAY, "-month": MONTH}
_RESOURCE_NAMES: dict[Resource, tuple[str, ...]] = {
    "requests": ("requests", "req"),
    "tokens": ("tokens", "tokens-prompt"),
}
_SHORT_NAMES = ("x-ratelimit-limit", "ratelimit-limit")
"""Names without a resource. They repeat the limit of requests if that has a header of its own."""
_BY_SIZE_PREFIXES = ("x-ratelimitbysize", "ratelimitbysize")
"""Mistral's prefixes for tokens."""


@dataclass(frozen=True, slots=True)
class BucketState:
    """One bucket of the quota in a response; None is an absent value."""

    limit: float | None
    """Amount in each window."""
    remaining: float | None
    """Amount that the bucket held after the call."""
    reset: float | None
    """Seconds until the bucket is full again."""
    window: float | None = None
    """Seconds, if the headers name the window."""


def parse_bucket_states(headers: Mapping[str, str], resource: Resource) -> Iterator[BucketState]:
    """Yield every bucket of a resource, for instance for a minute and for a day.

    The names in `headers` are in lower case, or the mapping ignores case.
    """
    present = {name.lower() for name in headers}  # A response has few of the names; a look-up in headers is slow.
    has_token_limit = "x-tokenlimit-limit" in present
    for limit, remaining, reset, window in _HEADER_NAMES[resource]:
        if limit not in present and remaining not in present:
            continue
        limit_value, left = _limit(headers.get(limit)), parse_number(headers.get(remaining))
        if limit_value is None and left is None:
            continue
        if limit in _SHORT_NAMES and "x-ratelimit-limit-requests" in present:
            continue
        each_second = SECOND if has_token_limit and reset == "x-ratelimit-reset" else None
        yield BucketState(limit_value, left, _reset(headers.get(reset), headers), each_second or window)


def _reset(text: str | None, headers: Mapping[str, str]) -> float | None:
    """Return the seconds until a reset; None for an unreadable text, or one that means a reset after two months."""
    seconds = parse_duration(text)
    if text and (seconds is None or seconds > _MAX_RESET):
        seconds = seconds_until(text, server_time(headers))
    return seconds if seconds is not None and seconds <= _MAX_RESET else None


def _limit(text: str | None) -> float | None:
    """Return the first number: the draft of the IETF lists several limits (`100, 100;w=60`)."""
    return parse_number(re.split("[,;]", text, maxsplit=1)[0] if isinstance(text, str) else None) or None


def _header_names(resource: Resource) -> Iterator[tuple[str, str, str, float | None]]:
    """Yield the names of the headers for limit, remaining amount and reset, with the window in seconds."""
    for word in _RESOURCE_NAMES[resource]:
        for suffix, window in _WINDOWS.items():
            limit, remaining, reset = (f"x-ratelimit-{part}-{word}{suffix}" for part in ("limit", "remaining", "reset"))
            yield limit, remaining, reset, window
        prefix = f"anthropic-ratelimit-{word}"
        yield f"{prefix}-limit", f"{prefix}-remaining", f"{prefix}-reset", None
    if resource == "tokens":
        yield "x-tokenlimit-limit", "x-tokenlimit-remaining", "x-ratelimit-reset", None
        for prefix in _BY_SIZE_PREFIXES:
            for suffix, window in _WINDOWS.items():
                yield f"{prefix}-limit{suffix}", f"{prefix}-remaining{suffix}", f"{prefix}-reset{suffix}", window
    else:
        yield "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", None
        yield "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", None


_HEADER_NAMES: dict[Resource, tuple[tuple[str, str, str, float | None], ...]] = {
    "requests": tuple(_header_names("requests")),
    "tokens": tuple(_header_names("tokens")),
}

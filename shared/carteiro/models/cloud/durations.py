"""Durations and times in headers and messages, as seconds from now."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MAX_CHARACTERS = 100
"""Characters of a text that are read."""
_SINCE_1970, _MILLISECONDS_SINCE_1970 = 1e9, 1e11
"""Numbers from which on a value is a time, in seconds or in milliseconds since 1970, and not a duration."""
_NUMBER_PATTERN = r"\d{1,15}(?:\.\d{1,30})?"
_UNIT = r"(?:milliseconds?|millis|msecs?|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|[nmu\u00b5]s|[smhd])(?![a-z])"
_SECONDS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_ISO_SECONDS = (86400.0, 3600.0, 60.0, 1.0)
_NUMBER = re.compile(_NUMBER_PATTERN, re.ASCII)
_PART = re.compile(rf"({_NUMBER_PATTERN})\s*({_UNIT})", re.ASCII)
_PART_PATTERN = rf"{_NUMBER_PATTERN}\s*{_UNIT}"
DURATION_PATTERN = rf"{_PART_PATTERN}(?:(?:,|\s|and)*{_PART_PATTERN}){{0,5}}"
"""Pattern of a duration with units, in lower case: `6m0s`, `120ms`, `1 minute 30 seconds`."""
_DURATION = re.compile(DURATION_PATTERN, re.ASCII)
_ISO = re.compile(r"P(?:(\d{1,3})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?", re.ASCII)


def parse_number(text: str | None) -> float | None:
    """Return a number of at most 15 digits before the point; None for any other text, as for a negative number."""
    text = text.strip() if isinstance(text, str) else ""
    return float(text) if _NUMBER.fullmatch(text) else None


def parse_duration(text: str | None) -> float | None:
    """Return the seconds of a duration; None for any other text.

    The forms: seconds (`10`), numbers with units (`6m0s`, `22 seconds`), and ISO 8601 from days down (`PT1M30S`).
    """
    number = parse_number(text)
    if number is not None or not isinstance(text, str):
        return number
    text = text[:_MAX_CHARACTERS].strip()
    if _DURATION.fullmatch(text.lower()):
        return math.fsum(float(amount) * _SECONDS[_symbol(unit)] for amount, unit in _PART.findall(text.lower()))
    if (iso := _ISO.fullmatch(text.upper())) and any(iso.groups()):
        return math.fsum(float(part or 0) * unit for part, unit in zip(iso.groups(), _ISO_SECONDS, strict=True))
    return None


def seconds_until(text: str | None, now: datetime) -> float | None:
    """Return the seconds from `now` that a text means; None for any other text. A time in the past is 0 seconds.

    The forms: a duration, seconds or milliseconds since 1970, RFC 3339, and an HTTP date (RFC 9110, section 5.6.7).
    """
    seconds = parse_duration(text)
    if seconds is None:
        date = parse_date(text)
        return None if date is None else max(0.0, (date - now).total_seconds())
    if seconds < _SINCE_1970:
        return seconds
    return max(0.0, (seconds / 1000 if seconds >= _MILLISECONDS_SINCE_1970 else seconds) - now.timestamp())


def parse_date(text: str | None) -> datetime | None:
    """Return a time in RFC 3339 or as an HTTP date; None for any other text. A time without a zone is in UTC."""
    text = text.strip() if isinstance(text, str) else ""
    try:
        if not text or len(text) > _MAX_CHARACTERS:
            return None
        date = datetime.fromisoformat(text) if text[:4].isdecimal() else parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date


def server_time(headers: Mapping[str, str]) -> datetime:
    """Return the time in a response's `Date`, so that a wrong local clock does no harm; else the local time."""
    return parse_date(headers.get("date")) or datetime.now(UTC)


def _symbol(unit: str) -> str:
    if unit.startswith("milli"):
        return "ms"
    return unit[:2] if unit[:2] in _SECONDS else unit[0]

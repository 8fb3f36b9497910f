"""Logical types as JSON values, for expressions.

| Avro | JSON |
| --- | --- |
| decimal | text, such as "12.50": exact, and `to_number()` makes it a number |
| date, time, timestamp | text by ISO 8601 / RFC 3339, such as "2026-11-30T08:15:00.250Z"; a local timestamp has no Z |
| uuid | text |
| duration | object of months, days, milliseconds |
| bytes, fixed | Base64 |
| NaN and infinite numbers | "NaN", "Infinity", "-Infinity" |
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from carteiro.registry.avro.types import Fixed, Primitive
from carteiro.registry.json_values import base64_text, decimal_text, finite

View = Callable[[Any], Any]
_FRACTIONS = {"millis": 3, "micros": 6, "nanos": 9}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def view_of(kind: Primitive | Fixed) -> View | None:  # noqa: PLR0911  # one for each type
    """Return the function from a raw value (int, float, bytes, str) to its JSON value; None if it is the same."""
    name, logical = kind.name if isinstance(kind, Primitive) else "fixed", kind.logical
    prefix, _, unit = (logical or "").rpartition("-")
    match name, logical:
        case (("bytes" | "fixed"), "decimal"):
            return lambda raw: decimal_text(raw, kind.scale)
        case "fixed", "uuid" if isinstance(kind, Fixed) and kind.size == 16:
            return lambda raw: str(UUID(bytes=raw))
        case "fixed", "duration" if isinstance(kind, Fixed) and kind.size == 12:
            return _duration
        case (("bytes" | "fixed"), _):
            return base64_text
        case (("float" | "double"), _):
            return finite
        case "int", "date":
            return _date
        case (("int" | "long"), _) if unit in _FRACTIONS and prefix == "time":
            return lambda raw: _time(raw, _FRACTIONS[unit])
        case "long", _ if unit in _FRACTIONS and prefix in ("timestamp", "local-timestamp"):
            zone = "Z" if prefix == "timestamp" else ""
            return lambda raw: _timestamp(raw, _FRACTIONS[unit], zone)
    return None


def _duration(raw: bytes) -> dict[str, int]:
    parts = (int.from_bytes(raw[index : index + 4], "little") for index in (0, 4, 8))
    return dict(zip(("months", "days", "milliseconds"), parts, strict=True))


def _date(days: int) -> Any:
    try:
        return (date(1970, 1, 1) + timedelta(days=days)).isoformat()
    except OverflowError:
        return days  # The calendar ends in the year 9999.


def _time(raw: int, digits: int) -> Any:
    seconds, fraction = divmod(raw, 10**digits)
    if not 0 <= seconds < 86400:
        return raw
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:0{digits}}"


def _timestamp(raw: int, digits: int, zone: str) -> Any:
    seconds, fraction = divmod(raw, 10**digits)
    try:
        time = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return raw
    return f"{time.replace(tzinfo=None).isoformat()}.{fraction:0{digits}}{zone}"

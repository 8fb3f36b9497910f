"""Events as JSON: values that JSON has not, and limits of what a few bytes can become."""

import base64
from decimal import Context, Decimal
from math import isinf, isnan
from typing import Any

from carteiro.wire.event_format import EventUnreadable

MAX_JSON_CHARACTERS = 16 * 1024 * 1024
"""Maximum size of an event as JSON. A symbol or a field name of the schema may be in the event a million times."""

_MAX_DECIMAL_BYTES = 512
"""Maximum size of a decimal. The time for its digits grows with the square of its size."""
_MAX_DECIMAL_SCALE = 1000
_EXACT = Context(prec=5000)


def finite(number: float) -> float | str:
    """Return a number, or its name if JSON has none for it."""
    if isnan(number):
        return "NaN"
    if isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return number


def base64_text(raw: bytes) -> str:
    """Return bytes in Base64."""
    return base64.b64encode(raw).decode()


def decimal_text(raw: bytes, scale: int) -> str:
    """Return the digits of a decimal, a signed integer and the number of its digits after the point.

    A decimal that is too long is returned in Base64.
    """
    if len(raw) > _MAX_DECIMAL_BYTES or not 0 <= scale <= _MAX_DECIMAL_SCALE:
        return base64_text(raw)
    return format(Decimal(int.from_bytes(raw, "big", signed=True)).scaleb(-scale, _EXACT), "f")


def check_json_size(document: Any) -> None:
    """Raise `EventUnreadable` if a JSON value is above the limit. The check is level by level, without recursion."""
    characters, level = 0, [document]
    while level:
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                characters += sum(map(len, value))
                inner += value.values()
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, str):
                characters += len(value)
        characters += len(level)
        if characters > MAX_JSON_CHARACTERS:
            raise EventUnreadable(f"the event has more than {MAX_JSON_CHARACTERS:,} characters as JSON")
        level = inner

"""Values that JSON has not, as JSON values for expressions."""

import base64
from decimal import Context, Decimal
from math import isinf, isnan

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

"""Pairs `NAME=VALUE` of options."""

import json
import math


def read_name_value(pair: str) -> tuple[str, str | int | float | bool] | None:
    """Return the name and the value: a number, true and false as such, and any other text as it is.

    Return None if the pair has no name or no `=`.
    """
    name, separator, text = pair.partition("=")
    if not name or not separator:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return name, text
    is_value = isinstance(value, int | float) and math.isfinite(value)
    return name, value if is_value else text

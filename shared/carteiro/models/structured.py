"""JSON that a model wrote."""

import json
from typing import Any

from pydantic_core import from_json

from carteiro.models.failures import InvalidOutput


def parse_json(text: str) -> Any:
    """The data in a completion. Raises `InvalidOutput` for what is no JSON, or none that could be passed on:
    nested 200 deep, with half a surrogate pair, with a number beyond all bounds.
    """
    try:
        data = from_json(text, allow_inf_nan=False)
        json.dumps(data, allow_nan=False)
    except ValueError:
        raise InvalidOutput("the model's completion is not the JSON that was asked for") from None
    return data

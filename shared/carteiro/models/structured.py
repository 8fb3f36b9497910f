"""JSON that a model wrote."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError
from pydantic_core import from_json

from carteiro.models.failures import InvalidOutput, InvalidPrompt

_LONGEST_REASON = 300
"""The reason quotes what the model wrote, in characters."""


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


def reader(schema: dict[str, Any], field: str = "json_schema") -> Callable[[str], Any]:
    """What reads a completion that has to follow a caller's JSON Schema (draft 2020-12); it raises `InvalidOutput` for
    one that does not. `field` is where the schema stands in the request. Raises `InvalidPrompt` for one that is none.
    """
    # The schema is a stranger's: it may fetch nothing, and its patterns run in linear time.
    try:
        validator = Draft202012Validator(schema, offline=True, pattern_options=RegexOptions())
    except ValidationError as error:
        path = "".join(f".{step}" for step in error.instance_path)
        raise InvalidPrompt(f"{field}{path}: {error.message}") from None
    return partial(_read, validator, field)


def _read(validator: Draft202012Validator, field: str, text: str) -> Any:
    try:
        data = parse_json(text)
    except InvalidOutput:
        raise InvalidOutput(f"the model's completion does not follow {field}: it is not JSON") from None
    try:
        validator.validate(data)
    except ValidationError as error:
        path = ".".join(map(str, error.instance_path)) or "the root"
        reason = error.message if len(error.message) <= _LONGEST_REASON else f"{error.message[:_LONGEST_REASON]}…"
        raise InvalidOutput(f"the model's completion does not follow {field} at {path}: {reason}") from None
    return data

"""Pydantic's errors in our own words, which name the field and never its value."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from carteiro.schemas.reply import FieldError
from carteiro.schemas.request import COLLECTION_PATTERN, DURATION_PATTERN, LANGUAGE_PATTERN, NAME_PATTERN, TEXT_PATTERN
from carteiro.schemas.tools import TOOL_NAME_PATTERN

_PATTERNS = {
    COLLECTION_PATTERN: "must be 1 to 63 of the characters a-z 0-9 _ - and begin with a letter or a digit",
    NAME_PATTERN: "must have no control characters",
    TEXT_PATTERN: "must not be blank",
    LANGUAGE_PATTERN: "must be a language tag of BCP 47, such as pt or pt-BR",
    TOOL_NAME_PATTERN: "must be 1 to 64 of the characters A-Z a-z 0-9 _ -",
    DURATION_PATTERN: "must be a number and s, m, h or d, such as 90s, 30m or 24h",
}
_KEY = "[key]"
"""Last step of the path of a wrong key, behind the key."""
_REASONS = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of {document}",
    "string_type": "must be a text",
    "string_unicode": "must be a text of whole characters",
    "bytes_type": "must be bytes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "union_tag_invalid": "must be {expected_tags}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
    "recursion_loop": "must not contain itself",
    "json_invalid": "is not JSON: {error}",
}


def field_errors(
    error: ValidationError, *, root: str = "request", document: str = "this request", limit: int | None = None
) -> list[FieldError]:
    """Return the first `limit` errors, each with the path of its field (`messages.0.role`).

    `root` is the name of the whole document, for an error that belongs to no field; `document` names it in a sentence.
    """
    return [_field_error(each, root, document) for each in error.errors(include_url=False)[:limit]]


def explain(fields: Sequence[FieldError]) -> str:
    """Return the errors as one line."""
    return "; ".join(f"{each.field}: {each.reason}" for each in fields)


def _field_error(error: ErrorDetails, root: str, document: str) -> FieldError:
    path, reason = error["loc"], _field_reason(error, document)
    if path and path[-1] == _KEY:
        path, reason = path[:-2], f"a name in it {reason}"
    return FieldError(field=".".join(map(str, path)) or root, reason=reason)


def _field_reason(error: ErrorDetails, document: str) -> str:
    reason = _reason(error["type"], error.get("ctx", {}) | {"document": document})
    # Null is what an expression gives for a member that an event lacks.
    return f"{reason}, not null" if error["input"] is None and error["type"].endswith("_type") else reason


def _reason(kind: str, context: dict[str, Any]) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], "is not valid")
    if context.get("min_length") == 1:
        return _PATTERNS[TEXT_PATTERN] if kind == "string_too_short" else "must not be empty"
    numbers = {name: f"{value:,g}" if isinstance(value, float) else value for name, value in context.items()}
    return _REASONS.get(kind, "is not valid").format(**numbers)

"""Whether a JSON Schema can be kept to the letter by a provider.

The rules are those of OpenAI's guide to Structured Outputs, "Supported schemas"
(https://platform.openai.com/docs/guides/structured-outputs#supported-schemas). A schema that breaks one is turned
down in strict mode; without it, the model is shown the schema and mostly follows.
"""

from typing import Any

_MOST_PROPERTIES, _DEEPEST, _MOST_ENUM_VALUES, _MOST_CHARACTERS = 5000, 10, 1000, 120_000
_FOR_ALL = {"type", "title", "description", "enum", "const", "anyOf", "$defs", "definitions"}
_BY_TYPE = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"pattern", "format"},
    "number": {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "integer": {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "boolean": set[str](),
    "null": set[str](),
}
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}


def can_be_strict(schema: dict[str, Any]) -> bool:
    """Whether the schema is within what strict mode takes. One that is no JSON Schema is not."""
    if schema.get("type") != "object" or "anyOf" in schema:
        return False
    size = _Size()
    try:
        return _node(schema, 0, size) and size.fits
    except (TypeError, AttributeError, RecursionError):
        return False


class _Size:
    """How large the parts of a schema are in all."""

    def __init__(self) -> None:
        self.properties = self.enum_values = self.characters = 0

    @property
    def fits(self) -> bool:
        return (
            self.properties <= _MOST_PROPERTIES
            and self.enum_values <= _MOST_ENUM_VALUES
            and self.characters <= _MOST_CHARACTERS
        )


def _node(schema: Any, depth: int, size: _Size) -> bool:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return False
    if "$ref" in schema:
        return set(schema) <= {"$ref", "description"} and str(schema["$ref"]).startswith("#")
    defined = {**schema.get("$defs", {}), **schema.get("definitions", {})}
    size.characters += sum(map(len, defined))
    if not all(_node(part, depth, size) for part in defined.values()):
        return False
    if "anyOf" in schema:
        return set(schema) <= _FOR_ALL - {"type"} and all(_node(part, depth, size) for part in schema["anyOf"])
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if not kinds or not all(kind in _BY_TYPE for kind in kinds):
        return False
    allowed = _FOR_ALL.union(*(_BY_TYPE[kind] for kind in kinds))
    values = [*schema.get("enum", []), *([schema["const"]] if "const" in schema else [])]
    size.enum_values += len(values)
    size.characters += sum(len(value) for value in values if isinstance(value, str))
    return (
        set(schema) <= allowed
        and schema.get("format", "date") in _FORMATS
        and ("object" not in kinds or _object(schema, depth, size))
        and ("array" not in kinds or _node(schema.get("items"), depth + 1, size))
    )


def _object(schema: dict[str, Any], depth: int, size: _Size) -> bool:
    properties = schema.get("properties", {})
    size.properties += len(properties)
    size.characters += sum(map(len, properties))
    return (
        schema.get("additionalProperties") is False
        and set(schema.get("required", [])) == set(properties)
        and all(_node(part, depth + 1, size) for part in properties.values())
    )

"""Check of a JSON Schema for a provider's strict mode.

The rules are those of OpenAI's guide to Structured Outputs, "Supported schemas"
(https://platform.openai.com/docs/guides/structured-outputs#supported-schemas). Strict mode rejects a schema that breaks
a rule. Without strict mode the model sees the schema and mostly follows it.
"""

from typing import Any

_MAX_PROPERTIES, _MAX_DEPTH, _MAX_ENUM_VALUES, _MAX_CHARACTERS = 5000, 10, 1000, 120_000
_COMMON_KEYWORDS = {"type", "title", "description", "enum", "const", "anyOf", "$defs", "definitions"}
_KEYWORDS_BY_TYPE = {
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
    """Return True if strict mode takes the schema. Return False if it is not a JSON Schema."""
    if schema.get("type") != "object" or "anyOf" in schema:
        return False
    size = _SchemaSize()
    try:
        return _is_strict_node(schema, 0, size) and size.fits
    except (TypeError, AttributeError, RecursionError):
        return False


class _SchemaSize:
    """Sizes of all parts of a schema together."""

    def __init__(self) -> None:
        self.properties = self.enum_values = self.characters = 0

    @property
    def fits(self) -> bool:
        return (
            self.properties <= _MAX_PROPERTIES
            and self.enum_values <= _MAX_ENUM_VALUES
            and self.characters <= _MAX_CHARACTERS
        )


def _is_strict_node(schema: Any, depth: int, size: _SchemaSize) -> bool:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return False
    if "$ref" in schema:
        return set(schema) <= {"$ref", "description"} and str(schema["$ref"]).startswith("#")
    defined = {**schema.get("$defs", {}), **schema.get("definitions", {})}
    size.characters += sum(map(len, defined))
    if not all(_is_strict_node(part, depth, size) for part in defined.values()):
        return False
    if "anyOf" in schema:
        return set(schema) <= _COMMON_KEYWORDS - {"type"} and all(
            _is_strict_node(part, depth, size) for part in schema["anyOf"]
        )
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if not kinds or not all(kind in _KEYWORDS_BY_TYPE for kind in kinds):
        return False
    allowed = _COMMON_KEYWORDS.union(*(_KEYWORDS_BY_TYPE[kind] for kind in kinds))
    values = [*schema.get("enum", []), *([schema["const"]] if "const" in schema else [])]
    size.enum_values += len(values)
    size.characters += sum(len(value) for value in values if isinstance(value, str))
    return (
        set(schema) <= allowed
        and schema.get("format", "date") in _FORMATS
        and ("object" not in kinds or _is_strict_object(schema, depth, size))
        and ("array" not in kinds or _is_strict_node(schema.get("items"), depth + 1, size))
    )


def _is_strict_object(schema: dict[str, Any], depth: int, size: _SchemaSize) -> bool:
    properties = schema.get("properties", {})
    size.properties += len(properties)
    size.characters += sum(map(len, properties))
    return (
        schema.get("additionalProperties") is False
        and set(schema.get("required", [])) == set(properties)
        and all(_is_strict_node(part, depth + 1, size) for part in properties.values())
    )

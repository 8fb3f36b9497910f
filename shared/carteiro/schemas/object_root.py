"""The rule for callers' JSON Schemas: their root is an object."""

from typing import Any


def check_object_root(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the JSON Schema. Raise `ValueError` if its root is no object."""
    if schema is not None and schema.get("type") != "object":
        raise ValueError('must describe an object: {"type": "object", ...}')
    return schema

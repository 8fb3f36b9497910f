"""Types of the members that an enrichment writes, for schemas that need them.

They are derived from the JSON Schema of what is written. What has no simple type becomes JSON text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carteiro.wire.event_format import MemberRefused, Path

_MAX_DEPTH = 20
_MAX_INTEGER = 2**63


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""


@dataclass(frozen=True, slots=True)
class JsonText:
    """Any value, as JSON text in a string."""


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number of 64 bits."""


@dataclass(frozen=True, slots=True)
class Number:
    """A floating-point number of 64 bits."""


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list. Its items are never null."""

    items: "MemberType"


@dataclass(frozen=True, slots=True)
class RecordOf:
    """A record. Each of its fields may be null."""

    fields: tuple[tuple[str, "MemberType"], ...]


MemberType = Text | JsonText | Integer | Number | Boolean | ListOf | RecordOf

_SIMPLE: dict[Any, MemberType] = {"string": Text(), "integer": Integer(), "number": Number(), "boolean": Boolean()}


def member_types(schemas: Mapping[Path, Mapping[str, Any] | None]) -> RecordOf:
    """Return the types of members by their paths, as one record.

    `schemas` are JSON Schemas of the values by their paths; None if the schema is not known. No path contains another.
    """
    tree: dict[str, Any] = {}
    for path, schema in schemas.items():
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = member_type(schema)
    return _as_record(tree)


def member_type(schema: Mapping[str, Any] | None) -> MemberType:
    """Return the type of the values of a JSON Schema whose references are local."""
    return _type(schema, schema or {}, 0)[0]


def as_member(kind: MemberType, value: Any) -> Any:  # noqa: PLR0911  # one for each type
    """Return a JSON value as a value of the type; null stays None. Raise `MemberRefused`."""
    if value is None:
        return None
    match kind, value:
        case JsonText(), _:
            return _as_utf8(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
        case Text(), str():
            return _as_utf8(value)
        case Boolean(), bool():
            return value
        case ((Integer() | Number()), bool()):
            pass
        case Integer(), int() if -_MAX_INTEGER <= value < _MAX_INTEGER:
            return value
        case Number(), int() | float():
            return float(value)
        case ListOf(items), list() if None not in value:
            return [as_member(items, each) for each in value]
        case RecordOf(fields), dict():
            return {name: as_member(inner, value.get(name)) for name, inner in fields}
    raise MemberRefused(f"a value is {type(value).__name__} and not {type(kind).__name__.lower()}")


def _as_utf8(text: str) -> str:
    """Return a text without halves of surrogate pairs, which JSON can have and UTF-8 cannot."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _as_record(tree: dict[str, Any]) -> RecordOf:
    return RecordOf(tuple((name, _as_record(each) if isinstance(each, dict) else each) for name, each in tree.items()))


def _type(  # noqa: PLR0911  # one for each form of a schema
    schema: Any, root: Mapping[str, Any], depth: int
) -> tuple[MemberType, bool]:
    """Return the type of a schema's values, and True if null is one of them."""
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return JsonText(), True
    if "$ref" in schema:
        return _type(_resolve(str(schema["$ref"]), root), root, depth + 1)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            branches = [each for each in schema[union] if each != {"type": "null"}]
            # Several branches have one type if, for example, an error code is one of an enum or any other text.
            simple = {_simple_type(each) for each in branches}
            if len(branches) == 1 or (len(simple) == 1 and None not in simple):
                return _type(branches[0], root, depth + 1)[0], len(schema[union]) > len(branches)
            return JsonText(), True
    kind: Any = schema.get("type")
    may_be_null = False
    if isinstance(kind, list):
        others = [each for each in kind if each != "null"]
        kind, may_be_null = others[0] if len(others) == 1 else None, "null" in kind
    if kind is None:
        kind = _type_of_constants(schema)
    if kind == "array" and "items" in schema:
        items, has_null = _type(schema["items"], root, depth + 1)
        return (JsonText() if has_null else ListOf(items)), may_be_null
    if kind == "object" and schema.get("properties"):
        fields = [(name, _type(each, root, depth + 1)[0]) for name, each in schema["properties"].items()]
        return RecordOf(tuple(fields)), may_be_null
    return _SIMPLE.get(kind, JsonText()), may_be_null or kind not in _SIMPLE


def _simple_type(schema: Any) -> MemberType | None:
    kind = schema.get("type", _type_of_constants(schema)) if isinstance(schema, Mapping) else None
    return _SIMPLE.get(kind) if isinstance(kind, str) else None


def _type_of_constants(schema: Mapping[str, Any]) -> str | None:
    constants = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return "string" if constants and all(isinstance(each, str) for each in constants) else None


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    if not reference.startswith("#/"):
        return None
    node: Any = root
    for name in reference[2:].split("/"):
        node = node.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(node, Mapping) else None
    return node

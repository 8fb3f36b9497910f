"""JSON events with a JSON Schema: members are written into the event's text, and declared in its schema."""

import json
from collections.abc import Mapping
from typing import Any

from carteiro.registry.errors import SchemaUnusable
from carteiro.registry.framing import Frame
from carteiro.registry.member_types import Boolean, Integer, JsonText, ListOf, MemberType, Number, RecordOf, Text
from carteiro.registry.registered_schema import FetchedSchema, SchemaText, SchemaType
from carteiro.wire.event_format import MemberRefused, Path
from carteiro.wire.json_event import parse_event

_MAX_REFERENCE_CHAIN = 20
_CLOSING = ("additionalProperties", "patternProperties", "unevaluatedProperties", "propertyNames", "allOf")
"""Keywords of an object's schema by which members may have to be declared."""
_TYPES: dict[type[MemberType], str] = {
    Text: "string",
    Integer: "integer",
    Number: "number",
    Boolean: "boolean",
    ListOf: "array",
    RecordOf: "object",
}


class JsonSchemaCodec:
    """A schema of JSON events. Events are not validated: that is the producer's business."""

    schema_type: SchemaType = "JSON"
    values_per_byte = 1

    def __init__(self, schema: FetchedSchema) -> None:
        """Parse a schema. Raise `SchemaUnusable`."""
        try:
            self._document = json.loads(schema.root.text)
        except (ValueError, RecursionError):
            raise SchemaUnusable("the schema is no JSON") from None
        self._schema, self.characters = schema.root, schema.characters

    def indexes(self, _: Frame) -> bytes:
        return b""

    def decode(self, frame: Frame) -> dict[str, Any]:
        return parse_event(frame.payload()).document

    def extend(self, _: Frame, members: RecordOf) -> "JsonSchemaExtension":
        return JsonSchemaExtension(self._schema, members)


class JsonSchemaExtension:
    """The schema of enriched events. The new members are optional, and each may be null.

    A member without a simple type may be any JSON value. Objects that are declared here are closed, so that members can
    be added later. An object that the event's schema leaves open permits members that are not declared. A registry may
    refuse it if they are: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/serdes-json.html#json-schema-compatibility-rules.
    """

    def __init__(self, schema: SchemaText, members: RecordOf) -> None:
        """Extend a schema. Raise `MemberRefused`."""
        root = json.loads(schema.text)
        self.record_name: str | None = root.get("title") if isinstance(root, dict) else None
        root = root if isinstance(root, dict) else {}
        try:
            is_open = _add(root, members, root, (), 0)
            text = json.dumps(root, ensure_ascii=False)
        except (AttributeError, TypeError, RecursionError) as error:
            raise MemberRefused(f"the event's JSON Schema cannot be extended ({type(error).__name__})") from None
        self.schema = SchemaText("JSON", text, schema.references)
        self.undeclared = schema if is_open else None

    def encode(self, frame: Frame, members: Mapping[Path, Any]) -> bytes:
        return parse_event(frame.payload()).encode(members).value


def _add(node: dict[str, Any], members: RecordOf, root: dict[str, Any], path: Path, chain: int) -> bool:
    """Declare members in the schema of an object. Return True if it permits them undeclared.

    `chain` is the number of references that led to it.
    """
    is_open = all(node.get(keyword, True) is True for keyword in _CLOSING)
    if chain > _MAX_REFERENCE_CHAIN:
        raise MemberRefused(f"the JSON Schema of {'.'.join(path) or 'the event'} refers to itself")
    if "$ref" in node:
        target = _resolve(str(node["$ref"]), root)
        if target is not None and target is not root:
            return _add(target, members, root, path, chain + 1)
        # The definition is another schema's, or the whole event's.
        reference = {"allOf": [{"$ref": node.pop("$ref")}]}
        node |= reference
        is_open = False
    branches = [each for union in ("oneOf", "anyOf") for each in node.get(union, ())]
    if branches:
        for branch in branches:
            if isinstance(branch, dict) and ({"$ref", "properties"} & set(branch) or branch.get("type") == "object"):
                is_open = _add(branch, members, root, path, chain + 1) and is_open
        return is_open
    if "object" not in _as_list(node.get("type", "object")):
        raise MemberRefused(f"{'.'.join(path) or 'the event'} is no object in the schema")
    properties = node.setdefault("properties", {})
    for name, member in members.fields:
        declared = properties.get(name)
        if not isinstance(declared, dict):
            properties[name] = _optional(member)
        elif isinstance(member, RecordOf):
            is_open = _add(declared, member, root, (*path, name), 0) and is_open
        elif "type" in declared and _TYPES.get(type(member)) not in (None, *_as_list(declared["type"])):
            raise MemberRefused(f"{'.'.join((*path, name))} is of another type in the schema")
    return is_open


def _optional(member: MemberType) -> dict[str, Any]:
    schema = _declare(member)
    return {"oneOf": [{"type": "null"}, schema]} if schema else {}


def _declare(member: MemberType) -> dict[str, Any]:
    match member:
        case JsonText():
            return {}
        case ListOf(items):
            return {"type": "array", "items": _declare(items)}
        case RecordOf(fields):
            properties = {name: _optional(each) for name, each in fields}
            return {"type": "object", "properties": properties, "additionalProperties": False}
    return {"type": _TYPES[type(member)]}


def _resolve(reference: str, root: dict[str, Any]) -> dict[str, Any] | None:
    """Return the definition in the same schema; None if it is elsewhere."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    node: Any = root
    for name in reference[2:].split("/"):
        node = node.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else None


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

"""Schemas of Carteiro's own requests and replies in the formats of a registry, derived from their JSON Schemas."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carteiro.registry.codec import SchemaExtension, open_codec
from carteiro.registry.framing import Frame, write_indexes
from carteiro.registry.member_types import JsonText, RecordOf, member_type, member_types
from carteiro.registry.registered_schema import FetchedSchema, SchemaText, SchemaType

_NAMESPACE = "carteiro"
_ONLY_MESSAGE = (0,)
"""Message indexes of the first message of a Protobuf file."""


@dataclass(frozen=True, slots=True)
class DerivedSchema:
    """Schema of JSON objects, and the way to write them.

    Each member is an optional field, as in an enriched event: a value without a simple type becomes JSON text.
    """

    type: SchemaType
    extension: SchemaExtension

    @property
    def indexes(self) -> bytes:
        """Encoded message indexes of an object; empty if the format has none."""
        return write_indexes(_ONLY_MESSAGE) if self.type == "PROTOBUF" else b""

    def encode(self, document: Mapping[str, Any]) -> bytes:
        """Return an object without a schema id. Raise `MemberRefused` if a value is not of its member's type."""
        return self.extension.encode(_empty_frame(self.type), {(name,): value for name, value in document.items()})


def derive_schema(kind: SchemaType, name: str, members: Mapping[str, Mapping[str, Any] | None]) -> DerivedSchema:
    """Return the schema of objects with members. It takes time, so it runs in a thread.

    `name` is the record's, such as `SummarizeReply`. `members` are the members' JSON Schemas, which `object_members`
    returns. Raise `MemberRefused` if the format cannot have the name of a member.
    """
    types: RecordOf = member_types({(member,): schema for member, schema in members.items()})
    codec = open_codec(FetchedSchema(SchemaText(kind, _empty_schema(kind, name))))
    return DerivedSchema(kind, codec.extend(_empty_frame(kind), types))


def object_members(*schemas: Mapping[str, Any]) -> dict[str, Mapping[str, Any] | None]:
    """Return the members of the objects of several JSON Schemas, such as those of a good reply and of an error.

    A member of two different types has no known one.
    """
    members: dict[str, Mapping[str, Any] | None] = {}
    for schema in schemas:
        for name, member in schema.get("properties", {}).items():
            whole = {**member, "$defs": schema.get("$defs", {})}
            differs = name in members and member_type(members[name]) != member_type(whole)
            members[name] = None if differs else whole
    return members


def json_text_members(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the members of a JSON Schema that are JSON text in other formats, and are no text in JSON."""
    members = object_members(schema)
    return frozenset(
        name for name, member in members.items() if member_type(member) == JsonText() and not _may_be_text(member)
    )


def record_name_of(name: str) -> str:
    """Return the full name of a record, such as `carteiro.SummarizeReply`."""
    return f"{_NAMESPACE}.{name}"


def _may_be_text(schema: Any) -> bool:
    branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ())] if isinstance(schema, Mapping) else []
    if branches:
        return any(map(_may_be_text, branches))
    return not isinstance(schema, Mapping) or schema.get("type", "string") == "string" or "string" in schema["type"]


def _empty_frame(kind: SchemaType) -> Frame:
    """Return an object without members, which the members are written into."""
    return Frame(0, b"{}" if kind == "JSON" else b"", write_indexes(_ONLY_MESSAGE), 0)


def _empty_schema(kind: SchemaType, name: str) -> str:
    match kind:
        case "AVRO":
            return json.dumps({"type": "record", "name": name, "namespace": _NAMESPACE, "fields": []})
        case "JSON":
            return json.dumps({"title": record_name_of(name), "type": "object", "additionalProperties": False})
        case "PROTOBUF":
            from google.protobuf.descriptor_pb2 import FileDescriptorProto

            file = FileDescriptorProto(name=f"{name}.proto", package=_NAMESPACE, syntax="proto3")
            file.message_type.add(name=name)
            return base64.b64encode(file.SerializeToString()).decode()

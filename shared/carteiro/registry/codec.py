"""Protocols of the three formats: a schema that reads events, and its extension, which writes them."""

from collections.abc import Mapping
from typing import Any, Protocol

from carteiro.registry.framing import Frame
from carteiro.registry.member_types import RecordOf
from carteiro.registry.registered_schema import FetchedSchema, SchemaText, SchemaType
from carteiro.wire.event_format import Path
from carteiro.wire.record import PARSE_IN_THREAD_BYTES


class SchemaExtension(Protocol):
    """The schema of enriched events, and the way to write them."""

    @property
    def schema(self) -> SchemaText:
        """The schema to register."""

    @property
    def undeclared(self) -> SchemaText | None:
        """The event's own schema, if it permits the members; otherwise None. It replaces a `schema` that is refused."""

    @property
    def record_name(self) -> str | None:
        """Full name of the record, for the subject."""

    def encode(self, frame: Frame, members: Mapping[Path, Any]) -> bytes:
        """Return the encoded event with members written into it. Raise `MemberRefused` or `EventUnreadable`."""


class SchemaCodec(Protocol):
    """A schema of events."""

    @property
    def schema_type(self) -> SchemaType:
        """Type of the schema."""

    @property
    def characters(self) -> int:
        """Size of the schema with those that it refers to."""

    @property
    def values_per_byte(self) -> int:
        """Maximum number of values that a byte of an event becomes, about."""

    def indexes(self, frame: Frame) -> bytes:
        """Return the encoded message indexes of an event; empty if the format has none. Raise `EventUnreadable`."""

    def decode(self, frame: Frame) -> dict[str, Any]:
        """Return an event as a JSON object. Raise `EventUnreadable`."""

    def extend(self, frame: Frame, members: RecordOf) -> SchemaExtension:
        """Return the schema with members, for events of the same message indexes. Raise `MemberRefused`."""


def is_large(frame: Frame, codec: SchemaCodec) -> bool:
    """Return True if an event is decoded, and its values are worked on, in a thread, so that heartbeats continue."""
    return len(frame.value) * codec.values_per_byte >= PARSE_IN_THREAD_BYTES


def open_codec(schema: FetchedSchema) -> SchemaCodec:
    """Return the codec of a schema. It takes time, so it runs in a thread. Raise `SchemaUnusable`."""
    match schema.root.type:
        case "AVRO":
            from carteiro.registry.avro.codec import AvroCodec

            return AvroCodec(schema)
        case "PROTOBUF":
            from carteiro.registry.protobuf.codec import ProtobufCodec

            return ProtobufCodec(schema)
        case "JSON":
            from carteiro.registry.json_schema import JsonSchemaCodec

            return JsonSchemaCodec(schema)


def nest(members: Mapping[Path, Any]) -> dict[str, Any]:
    """Return members as nested objects. No path contains another."""
    tree: dict[str, Any] = {}
    for path, value in members.items():
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = value
    return tree

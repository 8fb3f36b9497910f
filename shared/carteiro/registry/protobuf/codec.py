"""Protobuf events of one schema."""

from typing import Any

from google.protobuf.message import DecodeError

from carteiro.registry.framing import Frame, write_indexes
from carteiro.registry.json_values import MAX_JSON_CHARACTERS, check_json_size
from carteiro.registry.member_types import RecordOf
from carteiro.registry.protobuf.descriptors import SCHEMA_ERRORS, parse_schema
from carteiro.registry.protobuf.document import Documents
from carteiro.registry.protobuf.extension import ProtobufExtension
from carteiro.registry.registered_schema import FetchedSchema, SchemaType
from carteiro.wire.event_format import EventUnreadable


class ProtobufCodec:
    """A schema of Protobuf events."""

    schema_type: SchemaType = "PROTOBUF"

    def __init__(self, schema: FetchedSchema) -> None:
        """Parse a schema. Raise `SchemaUnusable`."""
        self._fetched, self._schema, self._documents = schema, parse_schema(schema), Documents()
        self.characters = schema.characters
        # A message of two bytes has a value for each of its fields.
        self.values_per_byte = max(self._schema.max_fields // 2, 1)
        self._classes: dict[tuple[int, ...], Any] = {}

    def indexes(self, frame: Frame) -> bytes:
        return write_indexes(frame.split_indexes()[0])

    def decode(self, frame: Frame) -> dict[str, Any]:
        indexes, payload = frame.split_indexes()
        try:
            if indexes not in self._classes:
                self._classes[indexes] = self._schema.message_class(self._schema.message_name(indexes))
            event = self._classes[indexes]()
            event.ParseFromString(payload)
            document = self._documents.convert(event)
        except (DecodeError, *SCHEMA_ERRORS) as error:
            raise EventUnreadable(f"the event is not of its schema ({type(error).__name__})") from None
        if len(frame.value) * self.characters > MAX_JSON_CHARACTERS:
            check_json_size(document)
        return document

    def extend(self, frame: Frame, members: RecordOf) -> ProtobufExtension:
        name = self._schema.message_name(frame.split_indexes()[0])
        return ProtobufExtension(self._fetched, self._schema, name, members)

"""Avro events of one schema."""

from typing import Any

from carteiro.registry.avro.extension import AvroExtension
from carteiro.registry.avro.reader import READ_ERRORS, Readers, unreadable
from carteiro.registry.avro.types import parse_schema
from carteiro.registry.errors import SchemaUnusable
from carteiro.registry.framing import Frame
from carteiro.registry.json_values import MAX_JSON_CHARACTERS, check_json_size
from carteiro.registry.member_types import RecordOf
from carteiro.registry.registered_schema import FetchedSchema, SchemaType
from carteiro.wire.event_format import EventUnreadable

_TOO_DEEP = "the records of the schema are nested too deeply"


class AvroCodec:
    """A schema of Avro events."""

    schema_type: SchemaType = "AVRO"
    values_per_byte = 1

    def __init__(self, schema: FetchedSchema) -> None:
        """Parse a schema. Raise `SchemaUnusable`."""
        self._fetched, self._schema, self.characters = schema, parse_schema(schema), schema.characters
        try:
            self._read = Readers().of(self._schema.root)
        except RecursionError:
            raise SchemaUnusable(_TOO_DEEP) from None

    def indexes(self, _: Frame) -> bytes:
        return b""

    def decode(self, frame: Frame) -> dict[str, Any]:
        try:
            document, _ = self._read(frame.payload(), 0)
        except READ_ERRORS as error:
            raise unreadable(error) from None
        if not isinstance(document, dict):
            raise EventUnreadable("the event is no record")
        # No value of the schema has more characters than the schema, so most events need no check.
        if len(frame.value) * self.characters > MAX_JSON_CHARACTERS:
            check_json_size(document)
        return document

    def extend(self, _: Frame, members: RecordOf) -> AvroExtension:
        try:
            return AvroExtension(self._fetched, self._schema, members)
        except RecursionError:
            raise SchemaUnusable(_TOO_DEEP) from None

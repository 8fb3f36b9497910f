"""The schema id in a record: before its value, or in a header.

Formats: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/#wire-format. An id of
4 bytes follows the magic byte 0, a GUID of 16 bytes follows the magic byte 1. Protobuf's message indexes follow the id.
"""

from dataclasses import dataclass
from uuid import UUID

from carteiro.registry.errors import SchemaUnknown
from carteiro.registry.registered_schema import SchemaType
from carteiro.registry.varint import write_varint
from carteiro.wire.event_format import EncodedEvent, EventUnreadable
from carteiro.wire.record import Record, last_header

SCHEMA_ID_HEADER = "__value_schema_id"
"""Header of the schema id of a record's value."""
SchemaId = int | UUID

MAX_SCHEMA_ID = 2**31 - 1
"""Largest id that a registry gives: Java's largest `int`."""
_MAX_INDEXES = 100
"""Maximum number of message indexes: the depth of nested message types."""


@dataclass(frozen=True, slots=True)
class RecordFormat:
    """The format of a record's value."""

    type: SchemaType
    id_in_header: bool
    """True if the schema id is in a header; False if it is before the value."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A record's value and the id of its schema."""

    schema_id: SchemaId
    value: bytes
    header: bytes | None
    """Value of the header that has the id; None if the id is in the record's value."""
    start: int
    """Index of the first byte after the id, in the header's value or in the record's."""

    def payload(self) -> bytes:
        """Return the encoded event, of a format without message indexes."""
        return self.value if self.header is not None else self.value[self.start :]

    def split_indexes(self) -> tuple[tuple[int, ...], bytes]:
        """Return Protobuf's message indexes, and the encoded event. Raise `EventUnreadable`."""
        source = self.value if self.header is None else self.header
        indexes, end = _read_indexes(source, self.start)
        return indexes, self.value if self.header is not None else source[end:]

    def replace(self, schema_id: int, guid: UUID | None, indexes: bytes, payload: bytes) -> EncodedEvent:
        """Return another event with its schema id in the same place. `indexes` are encoded message indexes.

        A header gets the GUID, or the id if the registry gives no GUID.
        """
        prefix = b"\x00" + schema_id.to_bytes(4, "big") + indexes
        if self.header is None:
            return EncodedEvent(prefix + payload)
        return EncodedEvent(payload, ((SCHEMA_ID_HEADER, b"\x01" + guid.bytes + indexes if guid else prefix),))


def read_frame(record: Record) -> Frame | None:
    """Return the frame of a record; None if it has no schema id. Raise `EventUnreadable`."""
    value, header = record.value or b"", last_header(record.headers, SCHEMA_ID_HEADER)
    source = value if header is None else header
    match source[:1]:
        case b"\x00" if len(source) >= 5:
            number = int.from_bytes(source[1:5], "big")
            if number > MAX_SCHEMA_ID:
                raise SchemaUnknown(f"the registry has no schema of id {number}")
            return Frame(number, value, header, 5)
        case b"\x01" if len(source) >= 17:
            return Frame(UUID(bytes=source[1:17]), value, header, 17)
        case b"\x00" | b"\x01":
            raise EventUnreadable("the id of the event's schema is cut off")
    if header is not None:
        raise EventUnreadable(f"the header {SCHEMA_ID_HEADER} has no schema id")
    return None


def write_indexes(indexes: tuple[int, ...]) -> bytes:
    """Return the encoding of Protobuf's message indexes: their number and they, as zigzag varints; `[0]` is one 0."""
    if indexes == (0,):
        return b"\x00"
    return b"".join(write_varint(number) for number in (len(indexes), *indexes))


def _read_indexes(source: bytes, at: int) -> tuple[tuple[int, ...], int]:
    count, at = _read_varint(source, at)
    if count == 0:
        return (0,), at
    if not 0 < count <= _MAX_INDEXES:
        raise EventUnreadable(f"the event has {count} message indexes")
    indexes = []
    for _ in range(count):
        index, at = _read_varint(source, at)
        indexes.append(index)
    return tuple(indexes), at


def _read_varint(source: bytes, at: int) -> tuple[int, int]:
    """Return a zigzag varint and the index after it."""
    value = shift = 0
    while at < len(source) and shift < 35:
        byte = source[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
    raise EventUnreadable("the message indexes of the event are cut off")

"""Writes the members of an enrichment in Avro's binary encoding."""

import struct
from collections.abc import Callable
from typing import Any

from carteiro.registry.avro.types import ArrayType, AvroType, Primitive, RecordType, UnionType, is_null
from carteiro.registry.member_types import Boolean, Integer, JsonText, ListOf, MemberType, Number, RecordOf, Text
from carteiro.registry.varint import write_varint
from carteiro.wire.event_format import MemberRefused

Writer = Callable[[Any], bytes]
"""Returns the encoding of a value that `as_member` made."""


def writer_of(kind: AvroType, member: MemberType) -> Writer | None:  # noqa: PLR0911  # one for each type
    """Return the writer of a member's values into a field of type `kind`; None if the field cannot hold them."""
    match kind, member:
        case UnionType(), _:
            return _union_writer(kind, member)
        case Primitive(name="string"), (Text() | JsonText()):
            return write_text
        case Primitive(name="long", logical=None), Integer():
            return write_varint
        case Primitive(name="double"), (Integer() | Number()):
            return lambda value: struct.pack("<d", value)
        case Primitive(name="boolean"), Boolean():
            return lambda value: b"\x01" if value else b"\x00"
        case ArrayType(items=items), ListOf(items=inner):
            return _array_writer(writer_of(items, inner))
        case RecordType(), RecordOf():
            return _record_writer(kind, member)
    return None


def write_text(text: str) -> bytes:
    """Return the encoding of a string."""
    encoded = text.encode()
    return write_varint(len(encoded)) + encoded


def null_of(kind: AvroType) -> bytes | None:
    """Return the encoding of null; None if the type has no null."""
    if is_null(kind):
        return b""
    index = kind.null_index if isinstance(kind, UnionType) else None
    return None if index is None else write_varint(index)


def _union_writer(union: UnionType, member: MemberType) -> Writer | None:
    null = null_of(union)
    for index, branch in enumerate(union.branches):
        write = writer_of(branch, member)
        if write is None:
            continue
        prefix = write_varint(index)
        return lambda value, write=write: _or_null(null) if value is None else prefix + write(value)  # type: ignore[misc]
    return None


def _or_null(null: bytes | None) -> bytes:
    if null is None:
        raise MemberRefused("null is written into a field that has no null")
    return null


def _array_writer(write: Writer | None) -> Writer | None:
    if write is None:
        return None
    return lambda values: (write_varint(len(values)) + b"".join(map(write, values)) if values else b"") + b"\x00"


def _record_writer(record: RecordType, member: RecordOf) -> Writer | None:
    inner = dict(member.fields)
    if not set(inner) <= set(record.fields):
        return None
    writers: list[tuple[str, Writer]] = []
    for name, kind in record.fields.items():
        null, write = null_of(kind), writer_of(kind, inner[name]) if name in inner else None
        if (write is None) if name in inner else (null is None):
            return None
        writers.append((name, write or (lambda _, null=null: null)))  # type: ignore[misc]

    def write_record(value: dict[str, Any]) -> bytes:
        parts = []
        for name, write_field in writers:
            field = value.get(name)
            if field is None and null_of(record.fields[name]) is None:
                raise MemberRefused(f"{name} is null and its field has no null")
            parts.append(write_field(field))
        return b"".join(parts)

    return write_record

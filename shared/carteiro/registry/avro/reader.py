"""Reads Avro's binary encoding, and knows the index of each value.

fastavro reads too, but does not tell the indexes, nor the branch of a union; its C code follows any depth and any count
that stands in the data, so a few bytes can end the process.
"""

import struct
from collections.abc import Callable
from typing import Any

from carteiro.registry.avro.logical_types import view_of
from carteiro.registry.avro.types import (
    ArrayType,
    AvroType,
    EnumType,
    Fixed,
    MapType,
    Primitive,
    RecordType,
    UnionType,
)
from carteiro.registry.json_values import finite
from carteiro.wire.event_format import EventUnreadable

Reader = Callable[[bytes, int], tuple[Any, int]]
"""Returns the value that begins at an index, as JSON, and the index after it."""

READ_ERRORS = (IndexError, ValueError, RecursionError, OverflowError, struct.error)
"""Errors of a reader on data that is not of its schema."""


class Readers:
    """Readers of the types of one schema."""

    def __init__(self) -> None:
        self._records: dict[int, Reader] = {}

    def of(self, kind: AvroType) -> Reader:
        """Return the reader of a type."""
        match kind:
            case Primitive() | Fixed():
                return _scalar_reader(kind)
            case EnumType(symbols=symbols):
                return lambda data, at: _read_symbol(data, at, symbols)
            case UnionType(branches=branches):
                return _union_reader([self.of(each) for each in branches])
            case ArrayType(items=items):
                return _array_reader(self.of(items))
            case MapType(values=values):
                return _map_reader(self.of(values))
            case RecordType():
                return self._record_reader(kind)

    def _record_reader(self, record: RecordType) -> Reader:
        if id(record) in self._records:
            return self._records[id(record)]
        fields: list[tuple[str, Reader]] = []

        def read(data: bytes, at: int) -> tuple[Any, int]:
            value = {}
            for name, field in fields:
                value[name], at = field(data, at)
            return value, at

        self._records[id(record)] = read
        fields += [(name, self.of(kind)) for name, kind in record.fields.items()]
        return read


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """Return the int or long at an index: a varint in zigzag encoding."""
    byte = data[at]
    at += 1
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at
    value, shift = byte & 0x7F, 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
        if shift > 63:
            raise ValueError("a number has more than 64 bits")


def unreadable(error: Exception) -> EventUnreadable:
    """Return the error of an event for an error of its reader."""
    return EventUnreadable(f"the event is not of its schema ({type(error).__name__})")


def _scalar_reader(kind: Primitive | Fixed) -> Reader:
    read, view = _raw_reader(kind), view_of(kind)
    if view is None or view is finite:
        return read

    def read_view(data: bytes, at: int) -> tuple[Any, int]:
        raw, at = read(data, at)
        return view(raw), at

    return read_view


def _raw_reader(kind: Primitive | Fixed) -> Reader:  # noqa: PLR0911  # one for each type
    if isinstance(kind, Fixed):
        return lambda data, at: _read_fixed(data, at, kind.size)
    match kind.name:
        case "null":
            return lambda _, at: (None, at)
        case "boolean":
            return lambda data, at: (data[at] != 0, at + 1)
        case "int" | "long":
            return read_long
        case "float":
            return lambda data, at: (finite(_FLOAT.unpack_from(data, at)[0]), at + 4)
        case "double":
            return lambda data, at: (finite(_DOUBLE.unpack_from(data, at)[0]), at + 8)
        case "bytes":
            return _read_bytes
        case "string":
            return _read_string
    raise ValueError(f"unknown type {kind.name}")


_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")


def _read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = read_long(data, at)
    end = at + size
    if size < 0 or end > len(data):
        raise ValueError("a value is cut off")
    return data[at:end], end


def _read_string(data: bytes, at: int) -> tuple[str, int]:
    size, at = read_long(data, at)
    end = at + size
    if size < 0 or end > len(data):
        raise ValueError("a value is cut off")
    return data[at:end].decode(), end


def _read_fixed(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise ValueError("a value is cut off")
    return data[at : at + size], at + size


def _read_symbol(data: bytes, at: int, symbols: tuple[str, ...]) -> tuple[str, int]:
    index, at = read_long(data, at)
    if index < 0:
        raise ValueError("an enum has a negative index")
    return symbols[index], at


def _union_reader(branches: list[Reader]) -> Reader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        index, at = read_long(data, at)
        if index < 0:
            raise ValueError("a union has a negative index")
        return branches[index](data, at)

    return read


def read_count(data: bytes, at: int) -> tuple[int, int]:
    """Return the number of items of a block, and the index of the first. Each item has a byte at least."""
    count, at = read_long(data, at)
    if count < 0:
        count = -count
        _, at = read_long(data, at)
    if count > len(data) - at:
        raise ValueError("an array or map is cut off")
    return count, at


def _array_reader(item: Reader) -> Reader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        items: list[Any] = []
        while True:
            count, at = read_count(data, at)
            if count == 0:
                return items, at
            for _ in range(count):
                value, at = item(data, at)
                items.append(value)

    return read


def _map_reader(value_reader: Reader) -> Reader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        items: dict[str, Any] = {}
        while True:
            count, at = read_count(data, at)
            if count == 0:
                return items, at
            for _ in range(count):
                key, at = _read_string(data, at)
                items[key], at = value_reader(data, at)

    return read

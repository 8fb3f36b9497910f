"""Fields that an enrichment adds to the definition of a Protobuf message.

The number of a field follows from its name only: 20,000 plus the CRC-32 of the name modulo 2^20, or the next free
number. So a field keeps its number if other fields come or go, and the numbers that people choose stay free.
"""

import re
from typing import Any
from zlib import crc32

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from carteiro.registry.member_types import Boolean, Integer, JsonText, ListOf, MemberType, Number, RecordOf, Text
from carteiro.wire.event_format import MemberRefused

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FIRST_NUMBER, _NUMBERS = 20_000, 2**20
_MAX_NUMBER = 2**29 - 1
_TYPES: dict[type[MemberType], int] = {
    Text: FieldDescriptorProto.TYPE_STRING,
    JsonText: FieldDescriptorProto.TYPE_STRING,
    Integer: FieldDescriptorProto.TYPE_INT64,
    Number: FieldDescriptorProto.TYPE_DOUBLE,
    Boolean: FieldDescriptorProto.TYPE_BOOL,
}


def as_protobuf(member: MemberType) -> MemberType:
    """Return the type for Protobuf: a list of lists, or of JSON texts, becomes JSON text."""
    match member:
        case ListOf(ListOf() | JsonText()):
            return JsonText()
        case ListOf(items):
            return ListOf(as_protobuf(items))
        case RecordOf(fields):
            return RecordOf(tuple((name, as_protobuf(each)) for name, each in fields))
    return member


def add_field(message: Any, full_name: str, name: str, member: MemberType, *, is_proto3: bool) -> None:
    """Add an optional field to a `DescriptorProto`. Its records become messages nested in it.

    `full_name` is the name of the message. Raise `MemberRefused` if `name` is no name in Protobuf.
    """
    if not _NAME.fullmatch(name):
        raise MemberRefused(f"{name!r} is no name of a Protobuf field: letters, digits and '_'")
    items = member.items if isinstance(member, ListOf) else member
    field = message.field.add(name=name, number=_free_number(message, name))
    field.label = FieldDescriptorProto.LABEL_OPTIONAL
    if isinstance(items, RecordOf):
        type_name = free_name(message, "".join(part[:1].upper() + part[1:] for part in name.split("_")))
        nested = message.nested_type.add(name=type_name)
        for inner_name, inner in items.fields:
            add_field(nested, f"{full_name}.{type_name}", inner_name, inner, is_proto3=is_proto3)
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{full_name}.{type_name}"
    else:
        field.type = _TYPES[type(items)]
    if isinstance(member, ListOf):
        field.label = FieldDescriptorProto.LABEL_REPEATED
    elif is_proto3 and not isinstance(items, RecordOf):
        # Presence in proto3: https://protobuf.dev/programming-guides/field_presence/.
        field.proto3_optional, field.oneof_index = True, len(message.oneof_decl)
        message.oneof_decl.add(name=free_name(message, f"_{name}"))


def holds(field: Any, member: MemberType) -> bool:
    """Return True if a field (its descriptor) can hold the values of a type."""
    if isinstance(member, ListOf):
        return bool(field.is_repeated) and _holds_value(field, member.items)
    return not field.is_repeated and _holds_value(field, member)


def _holds_value(field: Any, member: MemberType) -> bool:
    match member:
        case RecordOf(fields):
            if field.message_type is None or field.message_type.GetOptions().map_entry:
                return False
            inner = field.message_type.fields_by_name
            return all(name in inner and holds(inner[name], kind) for name, kind in fields)
        case Integer():
            kinds = (
                FieldDescriptorProto.TYPE_INT64,
                FieldDescriptorProto.TYPE_SINT64,
                FieldDescriptorProto.TYPE_SFIXED64,
            )
            return field.type in kinds
    return bool(field.type == _TYPES.get(type(member)))


def _free_number(message: Any, name: str) -> int:
    taken = [(each.number, each.number + 1) for each in message.field]
    taken += [(each.start, each.end) for each in (*message.reserved_range, *message.extension_range)]
    number = _FIRST_NUMBER + crc32(name.encode()) % _NUMBERS
    taken.sort()
    for start, end in taken:
        if start <= number < end:
            number = end
    if number > _MAX_NUMBER:
        raise MemberRefused(f"the message has no free number for the field {name}")
    return number


def free_name(message: Any, name: str) -> str:
    """Return a name that nothing in a `DescriptorProto` has: the given one, or a longer one."""
    scopes = (message.field, message.nested_type, message.enum_type, message.oneof_decl)
    taken = {each.name for scope in scopes for each in scope}
    taken |= {value.name for enum in message.enum_type for value in enum.value}
    while name in taken:
        name = f"X{name}" if name.startswith("_") else f"{name}_"
    return name

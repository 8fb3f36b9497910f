"""The schema of enriched Protobuf events, and the events with the new fields set. Unknown fields are kept."""

import base64
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError

from carteiro.registry.codec import nest
from carteiro.registry.errors import SchemaUnusable
from carteiro.registry.framing import Frame
from carteiro.registry.member_types import ListOf, RecordOf, as_member
from carteiro.registry.protobuf.descriptors import SCHEMA_ERRORS, ProtobufSchema, link
from carteiro.registry.protobuf.member_fields import add_field, as_protobuf, holds
from carteiro.registry.registered_schema import FetchedSchema, SchemaText
from carteiro.wire.event_format import EventUnreadable, MemberRefused, Path


class ProtobufExtension:
    """The schema of enriched events, and the way to write them."""

    undeclared: SchemaText | None = None

    def __init__(self, fetched: FetchedSchema, schema: ProtobufSchema, message: str, members: RecordOf) -> None:
        """Extend the message of that full name. Raise `MemberRefused` if it cannot have the members."""
        converted = as_protobuf(members)
        assert isinstance(converted, RecordOf)
        file = FileDescriptorProto()
        file.CopyFrom(schema.file)
        try:
            _extend(file, message, converted, schema.pool.FindMessageTypeByName(message), ())
            self._class = link(fetched, file).message_class(message)
        except MemberRefused:
            raise
        except SCHEMA_ERRORS as error:
            raise SchemaUnusable(f"the schema is no Protobuf schema ({type(error).__name__})") from None
        self._members, self.record_name = converted, message
        text = base64.b64encode(file.SerializeToString()).decode()
        self.schema = SchemaText("PROTOBUF", text, fetched.root.references)

    def encode(self, frame: Frame, members: Mapping[Path, Any]) -> bytes:
        event = self._class()
        try:
            event.ParseFromString(frame.split_indexes()[1])
        except DecodeError:
            raise EventUnreadable("the event is not of its schema") from None
        _write(event, self._members, nest(members), ())
        encoded: bytes = event.SerializePartialToString()
        return encoded


def _extend(file: Any, name: str, members: RecordOf, descriptor: Any, path: Path) -> None:
    """Add fields to the message of a full name in a file. `descriptor` is the message's before that."""
    message = _find_message(file, name)
    if message is None:
        raise MemberRefused(f"{'.'.join(path) or 'the event'} is of a type of another schema: write to another path")
    for field_name, member in members.fields:
        field = descriptor.fields_by_name.get(field_name)
        if field is None:
            add_field(message, name, field_name, member, is_proto3=file.syntax == "proto3")
        elif isinstance(member, RecordOf) and _is_record(field):
            _extend(file, field.message_type.full_name, member, field.message_type, (*path, field_name))
        elif not holds(field, member):
            raise MemberRefused(f"{'.'.join((*path, field_name))} is of another type in the schema")


def _find_message(file: Any, full_name: str) -> Any:
    package = f"{file.package}." if file.package else ""
    if not full_name.startswith(package):
        return None
    messages, found = file.message_type, None
    for name in full_name.removeprefix(package).split("."):
        found = next((each for each in messages if each.name == name), None)
        if found is None:
            return None
        messages = found.nested_type
    return found


def _is_record(field: Any) -> bool:
    return field.type == FieldDescriptorProto.TYPE_MESSAGE and not field.is_repeated


def _write(message: Any, members: RecordOf, values: dict[str, Any], path: Path) -> None:
    """Set the fields that have a value. Null clears a field."""
    fields = message.DESCRIPTOR.fields_by_name
    for name, member in members.fields:
        if name not in values:
            continue
        value, field = values[name], fields[name]
        if value is None:
            message.ClearField(name)
        elif isinstance(member, ListOf):
            message.ClearField(name)
            _write_list(getattr(message, name), member, as_member(member, value))
        elif isinstance(member, RecordOf):
            if not message.HasField(name) and not _may_be_empty(field.message_type):
                raise MemberRefused(f"{'.'.join((*path, name))} is not set")
            if not isinstance(value, dict):
                raise MemberRefused(f"{'.'.join((*path, name))} is no object")
            inner = getattr(message, name)
            inner.SetInParent()
            _write(inner, member, value, (*path, name))
        else:
            setattr(message, name, as_member(member, value))


def _write_list(target: Any, member: ListOf, values: list[Any]) -> None:
    if not isinstance(member.items, RecordOf):
        target.extend(values)
        return
    for value in values:
        _write(target.add(), member.items, value, ())


def _may_be_empty(message: Any) -> bool:
    """Return True if a message without values says nothing: each field is optional or repeated."""
    return all(field.has_presence or field.is_repeated for field in message.fields)

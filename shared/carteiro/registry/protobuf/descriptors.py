"""Descriptors of a Protobuf schema and of the files that it imports."""

import base64
from dataclasses import dataclass
from typing import Any

from confluent_kafka.schema_registry.common.protobuf import _init_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from carteiro.registry.errors import SchemaUnusable
from carteiro.registry.protobuf.member_fields import free_name
from carteiro.registry.registered_schema import FetchedSchema
from carteiro.wire.event_format import EventUnreadable

_UNNAMED_FILE = "event.proto"

SCHEMA_ERRORS = (AttributeError, KeyError, TypeError, ValueError)
"""Errors that Protobuf's library raises on descriptors that no compiler makes, at any use of them."""


@dataclass(frozen=True, slots=True)
class ProtobufSchema:
    """A parsed schema."""

    file: Any
    """Its `FileDescriptorProto`."""
    pool: Any
    """Pool that has the file and its imports."""
    max_fields: int
    """Number of fields of the message that has the most, in the file or a referenced one."""

    def message_name(self, indexes: tuple[int, ...]) -> str:
        """Return the full name of the message at an index in the file, an index of its nested messages, and so on.

        Raise `EventUnreadable`.
        """
        names, messages = [self.file.package] if self.file.package else [], self.file.message_type
        for index in indexes:
            if not 0 <= index < len(messages):
                raise EventUnreadable("the schema has no message of the event's message indexes")
            names.append(messages[index].name)
            messages = messages[index].nested_type
        return ".".join(names)

    def message_class(self, name: str) -> Any:
        """Return the class of the messages of that full name."""
        return GetMessageClass(self.pool.FindMessageTypeByName(name))


def parse_schema(schema: FetchedSchema) -> ProtobufSchema:
    """Return the parsed schema. Raise `SchemaUnusable`."""
    return link(schema, _read_file(schema.root.text, None))


def link(schema: FetchedSchema, file: Any) -> ProtobufSchema:
    """Return the schema of `file` with the imports of a fetched schema. Raise `SchemaUnusable`."""
    pool, files = DescriptorPool(), [file]
    try:
        # Google's and Confluent's own files are in no registry.
        _init_pool(pool)
        for name, text in schema.referenced:
            files.append(_read_file(text.text, name))
            pool.AddSerializedFile(files[-1].SerializeToString())
        added = FileDescriptorProto()
        added.CopyFrom(file)
        added.name = added.name or _UNNAMED_FILE
        pool.AddSerializedFile(added.SerializeToString())
        # Types are only resolved at the first use.
        pool.FindFileByName(added.name)
    except SCHEMA_ERRORS as error:
        raise SchemaUnusable(f"the schema is no Protobuf schema: {str(error)[:200]}") from None
    return ProtobufSchema(file, pool, max(_max_fields(each.message_type) for each in files))


def _max_fields(messages: Any) -> int:
    return max((max(len(each.field), _max_fields(each.nested_type)) for each in messages), default=0)


def _read_file(text: str, name: str | None) -> Any:
    """Return the `FileDescriptorProto` in a schema's text."""
    file = FileDescriptorProto()
    try:
        file.ParseFromString(base64.b64decode(text, validate=True))
    except (ValueError, DecodeError):
        raise SchemaUnusable("the registry does not give Protobuf schemas in serialized form") from None
    if name is not None:
        file.name = name
    for message in file.message_type:
        _complete_optional_fields(message)
    return file


def _complete_optional_fields(message: Any) -> None:
    """Add the oneofs of optional fields, which Karapace leaves out.

    https://github.com/protocolbuffers/protobuf/blob/main/docs/implementing_proto3_presence.md
    """
    for field in message.field:
        if field.proto3_optional and not field.HasField("oneof_index"):
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=free_name(message, f"_{field.name}"))
    for nested in message.nested_type:
        _complete_optional_fields(nested)

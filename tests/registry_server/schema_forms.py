"""Schemas as the server checks and compares them, for each of the three types."""

import base64
import json
from typing import Any

from fastavro.repository import AbstractSchemaRepository, SchemaRepositoryError
from fastavro.schema import SchemaParseException, load_schema
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError

from tests.registry_server.avro_compatibility import incompatibilities
from tests.registry_server.errors import invalid_schema


class _Documents(AbstractSchemaRepository):
    def __init__(self, documents: dict[str, Any]) -> None:
        self._documents = documents

    def load(self, name: str) -> Any:
        if name not in self._documents:
            raise SchemaRepositoryError(f"unknown type {name}")
        return self._documents[name]


def parse(kind: str, text: str, references: dict[str, str]) -> Any:
    """Return a schema in a form that can be compared. Raise `RegistryError` if it is invalid."""
    try:
        match kind:
            case "AVRO":
                documents = {name: json.loads(each) for name, each in references.items()}
                return load_schema("", repo=_Documents(documents | {"": json.loads(text)}))
            case "JSON":
                return json.loads(text)
            case "PROTOBUF":
                file = FileDescriptorProto()
                file.ParseFromString(base64.b64decode(text, validate=True))
                if not file.message_type:
                    raise ValueError("no message")
                return file
    except (ValueError, KeyError, TypeError, DecodeError, SchemaRepositoryError, SchemaParseException) as error:
        raise invalid_schema(error) from None
    raise invalid_schema(f"unknown type {kind}")


def reasons_against(kind: str, reader: Any, writer: Any) -> list[str]:
    """Return the reasons why consumers with the reader's schema cannot read data of the writer's."""
    match kind:
        case "AVRO":
            return incompatibilities(reader, writer)
        case "PROTOBUF":
            return _protobuf_reasons(reader.message_type, writer.message_type)
    return _json_reasons(reader, writer)


def _protobuf_reasons(reader: Any, writer: Any) -> list[str]:
    """A field's number keeps its type: https://protobuf.dev/programming-guides/proto3/#updating."""
    reasons = []
    for message in writer:
        new = next((each for each in reader if each.name == message.name), None)
        if new is None:
            reasons.append(f"MESSAGE_REMOVED {message.name}")
            continue
        fields = {each.number: each for each in new.field}
        for old in message.field:
            field = fields.get(old.number)
            if field is not None and (field.type, field.type_name, field.label) != (old.type, old.type_name, old.label):
                reasons.append(f"FIELD_TYPE_CHANGED {message.name}.{old.name}")
        reasons += _protobuf_reasons(new.nested_type, message.nested_type)
    return reasons


def _json_reasons(reader: Any, writer: Any) -> list[str]:
    """The rules are those of Confluent's registry for objects and `oneOf`. Karapace also refuses an empty schema.

    https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/serdes-json.html
    """
    if not isinstance(reader, dict) or not isinstance(writer, dict):
        return []
    if "oneOf" in writer:
        return [reason for each in writer["oneOf"] for reason in _json_reasons(reader, each)]
    if "oneOf" in reader:
        compatible = any(not _json_reasons(each, writer) for each in reader["oneOf"])
        return [] if compatible else ["SUM_TYPE_NARROWED"]
    if "type" in reader and "type" in writer and reader["type"] != writer["type"]:
        return [f"TYPE_CHANGED {writer['type']} to {reader['type']}"]
    new, old = reader.get("properties", {}), writer.get("properties", {})
    reasons = [reason for name in new.keys() & old.keys() for reason in _json_reasons(new[name], old[name])]
    if writer.get("additionalProperties", True) is True:
        reasons += [f"PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL {name}" for name in new.keys() - old.keys() if new[name]]
    if reader.get("additionalProperties") is False:
        reasons += [f"PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL {name}" for name in old.keys() - new.keys()]
    return reasons

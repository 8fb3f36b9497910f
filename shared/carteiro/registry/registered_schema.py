"""Schemas as the registry has them, with the schemas that they refer to."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

SchemaType = Literal["AVRO", "PROTOBUF", "JSON"]
SCHEMA_TYPES: tuple[SchemaType, ...] = ("AVRO", "PROTOBUF", "JSON")


@dataclass(frozen=True, slots=True)
class Reference:
    """A name by which a schema refers to a version of a subject."""

    name: str
    """Full name of an Avro type, path of a Protobuf import, or URL of a JSON Schema's `$ref`."""
    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class SchemaText:
    """The text of a schema, and its references."""

    type: SchemaType
    text: str
    """JSON; for Protobuf a `FileDescriptorProto` in Base64."""
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class FetchedSchema:
    """A schema and all the schemas that it refers to, directly or not."""

    root: SchemaText
    referenced: tuple[tuple[str, SchemaText], ...] = ()
    """Names and schemas. A schema stands after those that it refers to."""

    @property
    def characters(self) -> int:
        """Number of characters of all texts."""
        return len(self.root.text) + sum(len(each.text) for _, each in self.referenced)


@dataclass(frozen=True, slots=True)
class Registered:
    """The ids of a schema that was registered."""

    schema_id: int
    guid: UUID | None
    """The newer id; None if the registry has none."""

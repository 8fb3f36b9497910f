"""Subjects, versions, ids and compatibility levels of the server."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.registry_server.errors import (
    RegistryError,
    incompatible,
    invalid_level,
    invalid_schema,
    invalid_version,
    schema_not_found,
    subject_not_found,
    version_not_found,
)
from tests.registry_server.schema_forms import parse, reasons_against

LEVELS = ("NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE")


@dataclass(frozen=True)
class StoredSchema:
    """A schema. The same schema has the same id in all subjects."""

    id: int
    kind: str
    text: str
    references: tuple[tuple[str, str, int], ...]

    @property
    def guid(self) -> str:
        content = json.dumps([self.kind, self.text, self.references]).encode()
        return str(UUID(bytes=hashlib.md5(content).digest()))

    def body(self, fmt: str | None) -> dict[str, Any]:
        """Return the schema as the API shows it. Protobuf is text unless the serialized form is asked for."""
        text = self.text
        if self.kind == "PROTOBUF" and fmt != "serialized":
            text = 'syntax = "proto3";\n// The server shows no text of Protobuf schemas.\n'
        body: dict[str, Any] = {"schema": text, "guid": self.guid}
        if self.kind != "AVRO":
            body["schemaType"] = self.kind
        if self.references:
            keys = ("name", "subject", "version")
            body["references"] = [dict(zip(keys, each, strict=True)) for each in self.references]
        return body


@dataclass
class Store:
    """All schemas of a registry."""

    schemas: list[StoredSchema] = field(default_factory=list)
    subjects: dict[str, dict[int, StoredSchema]] = field(default_factory=dict)
    levels: dict[str | None, str] = field(default_factory=lambda: {None: "BACKWARD"})

    def by_id(self, schema_id: str) -> StoredSchema:
        """Return the schema of an id or a GUID."""
        found = next((each for each in self.schemas if schema_id in (str(each.id), each.guid)), None)
        if found is None:
            raise schema_not_found(schema_id)
        return found

    def versions(self, subject: str) -> dict[int, StoredSchema]:
        """Return the versions of a subject."""
        if not self.subjects.get(subject):
            raise subject_not_found(subject)
        return self.subjects[subject]

    def version(self, subject: str, version: str) -> tuple[int, StoredSchema]:
        """Return a version of a subject, or its latest."""
        versions = self.versions(subject)
        number = max(versions) if version in ("latest", "-1") else int(version) if version.isdecimal() else 0
        if number < 1:
            raise invalid_version(version)
        if number not in versions:
            raise version_not_found(number)
        return number, versions[number]

    def lookup(self, subject: str, body: dict[str, Any]) -> tuple[int, StoredSchema]:
        """Return the version that has the schema of a request."""
        versions, (kind, text, references) = self.versions(subject), self._read(body)
        for number, each in versions.items():
            if (each.kind, each.text, each.references) == (kind, text, references):
                return number, each
        raise schema_not_found("")

    def register(self, subject: str, body: dict[str, Any]) -> tuple[int, StoredSchema]:
        """Return the version that has the schema of a request. It is new if the subject has no such schema."""
        kind, text, references = self._read(body)
        versions = self.subjects.setdefault(subject, {})
        for number, each in versions.items():
            if (each.kind, each.text, each.references) == (kind, text, references):
                return number, each
        reasons = self.check(subject, body, list(versions.values()))
        if reasons:
            raise incompatible(subject, reasons)
        same = (each for each in self.schemas if (each.kind, each.text, each.references) == (kind, text, references))
        schema = next(same, None) or StoredSchema(len(self.schemas) + 1, kind, text, references)
        if schema not in self.schemas:
            self.schemas.append(schema)
        number = max(versions, default=0) + 1
        versions[number] = schema
        return number, schema

    def check(self, subject: str, body: dict[str, Any], older: list[StoredSchema]) -> list[str]:
        """Return the reasons why a schema is not compatible with older ones, by the subject's level."""
        kind, text, references = self._read(body)
        level = self.levels.get(subject, self.levels[None])
        new = parse(kind, text, self._texts(references))
        if level == "NONE":
            return []
        reasons = []
        for each in older if level.endswith("_TRANSITIVE") else older[-1:]:
            if each.kind != kind:
                return [f"schema type {each.kind} to {kind}"]
            old = parse(kind, each.text, self._texts(each.references))
            if level.startswith(("BACKWARD", "FULL")):
                reasons += reasons_against(kind, new, old)
            if level.startswith(("FORWARD", "FULL")):
                reasons += reasons_against(kind, old, new)
        return reasons

    def set_level(self, subject: str | None, level: str) -> None:
        """Set the compatibility level of a subject, or the global one."""
        if level not in LEVELS:
            raise invalid_level(level)
        self.levels[subject] = level

    def _read(self, body: dict[str, Any]) -> tuple[str, str, tuple[tuple[str, str, int], ...]]:
        text, kind = body.get("schema"), body.get("schemaType") or "AVRO"
        if not text:
            raise invalid_schema("Empty schema")
        if kind == "AVRO":
            try:
                text = json.dumps(json.loads(text), separators=(",", ":"))
            except ValueError as error:
                raise invalid_schema(error) from None
        references = tuple((each["name"], each["subject"], each["version"]) for each in body.get("references") or ())
        return kind, text, references

    def _texts(self, references: tuple[tuple[str, str, int], ...]) -> dict[str, str]:
        texts: dict[str, str] = {}
        for name, subject, version in references:
            try:
                schema = self.version(subject, str(version))[1]
            except RegistryError:
                raise invalid_schema(f"No schema reference found for subject {subject!r}, version {version}") from None
            texts |= {name: schema.text} | self._texts(schema.references)
        return texts

"""Replies in a format of the registry, for consumers that read no plain JSON."""

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any

from carteiro.registry.client import RegistryClient
from carteiro.registry.codec import SchemaExtension, open_codec
from carteiro.registry.framing import Frame, write_indexes
from carteiro.registry.member_types import RecordOf, member_type, member_types
from carteiro.registry.registered_schema import FetchedSchema, Registered, SchemaText, SchemaType
from carteiro.registry.schema_cache import SchemaCache
from carteiro.registry.subjects import SubjectStrategy

_NAMESPACE = "carteiro"
_FAILURE_SECONDS = 30.0


class ReplyFormat:
    """The format of the replies of one task on one topic.

    The schema has each member of a reply as an optional field. It is derived as for the members of an enrichment: a
    value without a simple type becomes JSON text.
    """

    def __init__(
        self,
        client: RegistryClient,
        strategy: SubjectStrategy,
        topic: str,
        kind: SchemaType,
        name: str,
        members: Mapping[str, Mapping[str, Any] | None],
    ) -> None:
        """Create the format `kind` of replies that go to `topic`.

        `name` is the record's, such as `SummarizeReply`. `members` are the JSON Schemas of a reply's members, which
        `reply_members` returns.
        """
        self._client, self._strategy, self._topic, self._kind, self._name = client, strategy, topic, kind, name
        self._members: RecordOf = member_types({(member,): schema for member, schema in members.items()})
        self._targets: SchemaCache[tuple[SchemaExtension, Registered]] = SchemaCache(1, _FAILURE_SECONDS)

    async def encode(self, reply: Mapping[str, Any]) -> bytes:
        """Return a reply, a JSON object, with the id of its schema before it.

        Raise `MemberRefused` if the registry refuses the schema, or `RegistryUnavailable`.
        """
        extension, registered = await self._targets.get(b"", self._register)
        payload = extension.encode(self._empty, {(member,): value for member, value in reply.items()})
        indexes = write_indexes((0,)) if self._kind == "PROTOBUF" else b""
        return self._empty.replace(registered.schema_id, None, indexes, payload).value

    @property
    def _empty(self) -> Frame:
        """A reply without members, which the members are written into."""
        payloads: dict[SchemaType, bytes] = {"AVRO": b"", "JSON": b"{}", "PROTOBUF": write_indexes((0,))}
        return Frame(0, payloads[self._kind], None, 0)

    async def _register(self) -> tuple[SchemaExtension, Registered]:
        empty = FetchedSchema(SchemaText(self._kind, _empty_schema(self._kind, self._name)))
        codec = await asyncio.to_thread(open_codec, empty)
        extension = codec.extend(self._empty, self._members)
        subject = self._strategy.subject(self._topic, extension.record_name)
        return extension, await self._client.register(subject, extension.schema)


def reply_members(*schemas: Mapping[str, Any]) -> dict[str, Mapping[str, Any] | None]:
    """Return the members of the objects of several JSON Schemas, such as those of a good reply and of an error.

    A member of two different types has no known one.
    """
    members: dict[str, Mapping[str, Any] | None] = {}
    for schema in schemas:
        for name, member in schema.get("properties", {}).items():
            whole = {**member, "$defs": schema.get("$defs", {})}
            differs = name in members and member_type(members[name]) != member_type(whole)
            members[name] = None if differs else whole
    return members


def _empty_schema(kind: SchemaType, name: str) -> str:
    match kind:
        case "AVRO":
            return json.dumps({"type": "record", "name": name, "namespace": _NAMESPACE, "fields": []})
        case "JSON":
            return json.dumps({"title": f"{_NAMESPACE}.{name}", "type": "object"})
        case "PROTOBUF":
            from google.protobuf.descriptor_pb2 import FileDescriptorProto

            file = FileDescriptorProto(name=f"{name}.proto", package=_NAMESPACE, syntax="proto3")
            file.message_type.add(name=name)
            return base64.b64encode(file.SerializeToString()).decode()

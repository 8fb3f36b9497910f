"""Replies in a format of the registry, for consumers that read no plain JSON."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carteiro.registry.client import RegistryClient
from carteiro.registry.derived_schema import DerivedSchema, derive_schema
from carteiro.registry.framing import Frame
from carteiro.registry.registered_schema import Registered, SchemaType
from carteiro.registry.schema_cache import SchemaCache
from carteiro.registry.subjects import SubjectStrategy
from carteiro.schemas.reply import ReplySchema
from carteiro.wire.reply import EncodedReply

_FAILURE_SECONDS = 30.0
_CONTENT_TYPES: dict[SchemaType, bytes] = {
    "AVRO": b"application/avro",
    "JSON": b"application/json",
    "PROTOBUF": b"application/protobuf",
}


@dataclass(frozen=True, slots=True)
class RegistryReplyEncoder:
    """Encoder of replies whose schema is registered."""

    schema: DerivedSchema
    registered: Registered
    id_in_header: bool

    def encode(self, reply: ReplySchema) -> EncodedReply:
        """Return an encoded reply with the id of its schema. Raise `MemberRefused`."""
        # The JSON of the reply decides about its values, for example about a number that JSON has not.
        payload = self.schema.encode(json.loads(reply.model_dump_json()))
        ids = self.registered
        empty = Frame(0, b"", b"" if self.id_in_header else None, 0)
        encoded = empty.replace(ids.schema_id, ids.guid, self.schema.indexes, payload)
        return EncodedReply(encoded.value, _CONTENT_TYPES[self.schema.type], encoded.headers)


class ReplyFormat:
    """One format of the replies of a task. The schema is registered before the first reply is written."""

    def __init__(
        self,
        client: RegistryClient,
        strategy: SubjectStrategy,
        topic: str,
        kind: SchemaType,
        name: str,
        members: Mapping[str, Mapping[str, Any] | None],
    ) -> None:
        """Create the format `kind` of replies whose schema is registered for `topic`.

        `name` and `members` are those of `derive_schema`.
        """
        self._client, self._strategy, self._topic, self._kind, self._name = client, strategy, topic, kind, name
        self._members = members
        self._targets: SchemaCache[tuple[DerivedSchema, Registered]] = SchemaCache(1, _FAILURE_SECONDS, lambda _: 0)

    async def encoder(self, *, id_in_header: bool) -> RegistryReplyEncoder:
        """Return the encoder of replies.

        Raise `MemberRefused` if the format or the registry refuses the schema, or `RegistryUnavailable`.
        """
        schema, registered = await self._targets.get(b"", self._register)
        return RegistryReplyEncoder(schema, registered, id_in_header)

    async def _register(self) -> tuple[DerivedSchema, Registered]:
        schema = await asyncio.to_thread(derive_schema, self._kind, self._name, self._members)
        subject = self._strategy.subject(self._topic, schema.extension.record_name)
        return schema, await self._client.register(subject, schema.extension.schema)

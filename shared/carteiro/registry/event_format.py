"""The format of events whose schemas are in a registry. Events without a schema id are JSON."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carteiro.registry.client import RegistryClient
from carteiro.registry.codec import SchemaCodec, SchemaExtension, is_large, open_codec
from carteiro.registry.errors import SchemaRejected
from carteiro.registry.framing import Frame, SchemaId, read_frame
from carteiro.registry.member_types import RecordOf, member_types
from carteiro.registry.registered_schema import Registered
from carteiro.registry.schema_cache import SchemaCache
from carteiro.registry.subjects import SubjectStrategy
from carteiro.wire.event_format import DecodedEvent, EncodedEvent, Path, find_obstacle
from carteiro.wire.json_event import JsonFormat
from carteiro.wire.record import Record

_MAX_SCHEMAS = 500
"""Maximum number of schemas in memory."""
_FAILURE_SECONDS = 30.0
"""Time for which an unknown or refused schema is not asked for again."""


class Schemas:
    """The schemas of events, fetched once. All enrichments and tasks of a worker share them."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client
        self._codecs: SchemaCache[SchemaCodec] = SchemaCache(
            _MAX_SCHEMAS, _FAILURE_SECONDS, lambda codec: codec.characters
        )

    async def codec(self, schema_id: SchemaId) -> SchemaCodec:
        """Return the codec of a schema.

        Raise `SchemaUnknown` or `SchemaUnusable`, which are the event's errors, or `RegistryUnavailable`.
        """

        async def fetch() -> SchemaCodec:
            return await asyncio.to_thread(open_codec, await self._client.fetch(schema_id))

        return await self._codecs.get(str(schema_id).encode(), fetch)


async def decode_event(frame: Frame, codec: SchemaCodec) -> dict[str, Any]:
    """Return an event as a JSON object. A thread decodes a large one. Raise `EventUnreadable`."""
    if is_large(frame, codec):
        return await asyncio.to_thread(codec.decode, frame)
    return codec.decode(frame)


@dataclass(frozen=True, slots=True)
class RegisteredExtension:
    """The schema of enriched events: an extension that is registered."""

    extension: SchemaExtension
    registered: Registered


class RegistryFormat:
    """The format of the events of one enrichment.

    The schema of an enriched event is the event's with optional members. It is registered before the first event of
    that schema is enriched.
    """

    def __init__(
        self,
        client: RegistryClient,
        schemas: Schemas,
        strategy: SubjectStrategy,
        topic: str,
        members: Mapping[Path, Mapping[str, Any] | None],
    ) -> None:
        """Create the format of events that go to `topic`.

        `members` are the JSON Schemas of what is written, by path; None if a value's schema is not known.
        """
        self._client, self._schemas, self._strategy, self._topic = client, schemas, strategy, topic
        self._members: RecordOf = member_types(members)
        self._targets: SchemaCache[RegisteredExtension] = SchemaCache(
            _MAX_SCHEMAS, _FAILURE_SECONDS, lambda target: len(target.extension.schema.text)
        )

    async def decode(self, record: Record) -> DecodedEvent:
        """Return the event in a record. Raise `EventUnreadable` or `RegistryUnavailable`."""
        frame = read_frame(record)
        if frame is None:
            return await JsonFormat().decode(record)
        codec = await self._schemas.codec(frame.schema_id)
        return RegistryEvent(frame, codec, await decode_event(frame, codec), self)

    async def target(self, frame: Frame, codec: SchemaCodec) -> RegisteredExtension:
        """Return the schema of the enriched event. Raise `MemberRefused` or `RegistryUnavailable`."""

        async def register() -> RegisteredExtension:
            extension = await asyncio.to_thread(codec.extend, frame, self._members)
            subject = self._strategy.subject(self._topic, extension.record_name)
            try:
                return RegisteredExtension(extension, await self._client.register(subject, extension.schema))
            except SchemaRejected:
                if extension.undeclared is None:
                    raise
                return RegisteredExtension(extension, await self._client.register(subject, extension.undeclared))

        return await self._targets.get(str(frame.schema_id).encode() + b" " + codec.indexes(frame), register)


class RegistryEvent:
    """An event whose schema is in the registry."""

    def __init__(self, frame: Frame, codec: SchemaCodec, document: dict[str, Any], owner: RegistryFormat) -> None:
        self.value, self.document, self.is_large = frame.value, document, is_large(frame, codec)
        self._frame, self._codec, self._owner = frame, codec, owner
        self._target: RegisteredExtension | None = None

    def check_place(self, path: Path) -> None:
        if find_obstacle(self.document, path) is not None:
            self.encode({path: None})  # Its schema may permit an object in place of null.

    async def prepare(self) -> None:
        """Register the schema of the enriched event. Raise `MemberRefused` or `RegistryUnavailable`."""
        self._target = await self._owner.target(self._frame, self._codec)

    def encode(self, members: Mapping[Path, Any]) -> EncodedEvent:
        assert self._target is not None, "prepare() was not called"
        payload, ids = self._target.extension.encode(self._frame, members), self._target.registered
        return self._frame.replace(ids.schema_id, ids.guid, self._codec.indexes(self._frame), payload)

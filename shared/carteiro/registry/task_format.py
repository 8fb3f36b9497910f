"""The formats of the requests and the replies of one task."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carteiro.registry.codec import SchemaCodec, is_large
from carteiro.registry.event_format import Schemas
from carteiro.registry.format_choice import ReplyFormatChoice
from carteiro.registry.framing import Frame, RecordFormat, read_frame
from carteiro.registry.registered_schema import SchemaType
from carteiro.registry.reply_format import ReplyFormat
from carteiro.wire.event_format import EventUnreadable
from carteiro.wire.record import Record
from carteiro.wire.reply import JSON_REPLIES, ReplyEncoder


@dataclass(frozen=True, slots=True)
class DecodedRequest:
    """A request as JSON, and the format that it had."""

    value: bytes | None
    format: RecordFormat | None = None
    """None for JSON without a schema id."""


async def read_request(
    record: Record, schemas: Schemas, json_text_members: frozenset[str] = frozenset()
) -> DecodedRequest:
    """Return the value of a request's record as JSON.

    A value without a schema id is returned as it is. Members that are null are left out: a schema has no other way to
    say that an option is not given. Texts of `json_text_members` become the JSON that they contain. Raise
    `EventUnreadable` or `RegistryUnavailable`.
    """
    frame = read_frame(record)
    if frame is None:
        return DecodedRequest(record.value)
    codec = await schemas.codec(frame.schema_id)
    if is_large(frame, codec):
        value = await asyncio.to_thread(_decode_as_json, frame, codec, json_text_members)
    else:
        value = _decode_as_json(frame, codec, json_text_members)
    return DecodedRequest(value, RecordFormat(codec.schema_type, frame.header is not None))


class TaskFormat:
    """Reader of the requests of one task, and chooser of the formats of its replies."""

    def __init__(
        self,
        schemas: Schemas,
        replies: Mapping[SchemaType, ReplyFormat],
        choice: ReplyFormatChoice,
        json_text_members: frozenset[str] = frozenset(),
    ) -> None:
        """Create the formats of a task. `replies` are the formats that its replies can have.

        `json_text_members` are the members of a request that have no type in a schema: they may be JSON text.
        """
        self._schemas, self._replies, self._choice = schemas, replies, choice
        self._json_text_members = json_text_members

    async def read_request(self, record: Record) -> DecodedRequest:
        """Return a request as JSON. Raise `EventUnreadable` or `RegistryUnavailable`."""
        return await read_request(record, self._schemas, self._json_text_members)

    async def reply_encoder(self, request: RecordFormat | None) -> ReplyEncoder:
        """Return the encoder of the replies to a request of that format; None for JSON, or if it cannot be read.

        Raise `MemberRefused` if the format or the registry refuses the schema, or `RegistryUnavailable`.
        """
        kind = self._choice.schema_type
        if self._choice is ReplyFormatChoice.AUTO and request is not None:
            kind = request.type
        if kind is None:
            return JSON_REPLIES
        return await self._replies[kind].encoder(id_in_header=request is not None and request.id_in_header)


def _decode_as_json(frame: Frame, codec: SchemaCodec, json_text_members: frozenset[str]) -> bytes:
    try:
        document = _without_nulls(codec.decode(frame))
        for name in json_text_members & document.keys():
            document[name] = _parse(document[name])
        # Halves of surrogate pairs stay, so that they are refused as in JSON without a schema.
        return json.dumps(document, ensure_ascii=False).encode(errors="surrogatepass")
    except RecursionError:
        raise EventUnreadable("the request is nested too deeply") from None


def _parse(value: Any) -> Any:
    """Return the JSON in a text; the value itself if it contains none."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value

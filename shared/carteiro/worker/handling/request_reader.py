"""Readers of requests: of JSON, and of what a schema in a registry tells. They choose the format of the replies too."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import structlog

from carteiro.concurrency.retry import retry_while_away
from carteiro.registry.errors import RegistryUnavailable
from carteiro.registry.framing import RecordFormat
from carteiro.wire.envelope import Envelope, read_envelope
from carteiro.wire.event_format import MemberRefused
from carteiro.wire.record import PARSE_IN_THREAD_BYTES, Record
from carteiro.wire.reply import JSON_REPLIES, ReplyEncoder

if TYPE_CHECKING:  # it needs an extra
    from carteiro.registry.task_format import TaskFormat

T = TypeVar("T")
log = structlog.get_logger("carteiro.worker")


class ReplyUnwritable(Exception):
    """The reply to a request cannot be written in the format that the request or a setting asks for."""

    def __init__(self, envelope: Envelope, reason: str) -> None:
        super().__init__(reason)
        self.envelope, self.reason = envelope, reason


class RequestReader(Protocol):
    """Reader of the requests of one task."""

    async def read(self, record: Record) -> tuple[Envelope, ReplyEncoder]:
        """Return the envelope of a request, and the encoder of its replies.

        Raise `EventUnreadable` or `ReplyUnwritable`.
        """

    async def unread_encoder(self) -> ReplyEncoder:
        """Return the encoder of the reply to a request that was not read."""


class JsonRequestReader:
    """Reader of requests without schemas."""

    async def read(self, record: Record) -> tuple[Envelope, ReplyEncoder]:
        return await _read_envelope(record), JSON_REPLIES

    async def unread_encoder(self) -> ReplyEncoder:
        return JSON_REPLIES


@dataclass(frozen=True, slots=True)
class SchemaRequestReader:
    """Reader of requests that may have a schema. While the registry is away, a request waits.

    The schema of the replies is registered before a model is called: a refusal costs nothing, and what follows the
    model needs no registry.
    """

    task: str
    format: "TaskFormat"
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def read(self, record: Record) -> tuple[Envelope, ReplyEncoder]:
        request = await self._retry(partial(self.format.read_request, record))
        if request.value is not record.value:
            record = replace(cast("Any", record), value=request.value)
        envelope = await _read_envelope(record)
        if envelope.event is not None and envelope.event.content_mode == "structured":
            return envelope, JSON_REPLIES  # such an event is JSON
        try:
            return envelope, await self._encoder(request.format)
        except MemberRefused as error:
            log.warning("the format of a reply is refused", task=self.task, reason=str(error))
            raise ReplyUnwritable(envelope, str(error)) from None

    async def unread_encoder(self) -> ReplyEncoder:
        try:
            return await self._encoder(None)
        except MemberRefused:
            return JSON_REPLIES

    async def _encoder(self, request: RecordFormat | None) -> ReplyEncoder:
        return await self._retry(partial(self.format.reply_encoder, request))

    async def _retry(self, work: Callable[[], Awaitable[T]]) -> T:
        return await retry_while_away(work, RegistryUnavailable, self._log_away, self.sleep)

    def _log_away(self, error: RegistryUnavailable) -> None:
        log.warning("a request waits for the schema registry", task=self.task, reason=str(error))


async def _read_envelope(record: Record) -> Envelope:
    """Return a record's envelope. A large CloudEvent has to be parsed for it, so a thread does that."""
    if len(record.value or b"") >= PARSE_IN_THREAD_BYTES:
        return await asyncio.to_thread(read_envelope, record)
    return read_envelope(record)

"""Reads the document in a record: its own JSON, or another topic's event by an expression; its text by reference."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError

from carteiro.concurrency.retry import retry_while_away
from carteiro.enrichment.expression import ExpressionFailed
from carteiro.index.collection_source import CollectionSource
from carteiro.references.errors import ReferenceRefused, StoreUnavailable
from carteiro.registry.errors import RegistryUnavailable
from carteiro.retrieval.document import Document, check_key
from carteiro.retrieval.errors import DocumentInvalid
from carteiro.schemas import ErrorCode
from carteiro.schemas.document import DocumentRecord
from carteiro.schemas.field_errors import explain, field_errors
from carteiro.schemas.text_reference import TextReference
from carteiro.wire.event_format import DecodedEvent, EventFormat, EventUnreadable
from carteiro.wire.json_event import JsonFormat
from carteiro.wire.record import UNKNOWN_SIZE, Record, record_id, value_size
from carteiro.worker.handling.steps.references import read_texts

if TYPE_CHECKING:
    from carteiro.references.reader import ReferenceReader

log = structlog.get_logger("carteiro.worker")

_TEXT_TYPES = ("text/plain", "text/markdown")
_MAX_FIELD_ERRORS = 3
_MAX_REASON_CHARS = 1000


class DocumentRejected(Exception):
    """A record has no document that can be read, now or later."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason[:_MAX_REASON_CHARS])
        self.code = code


@dataclass(frozen=True, slots=True)
class DocumentReader:
    """Reader of the documents of one collection."""

    source: CollectionSource
    format: EventFormat = field(default_factory=JsonFormat)
    references: "ReferenceReader | None" = None
    """Reader of texts by reference; None if such documents are rejected."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    @asynccontextmanager
    async def open(self, record: Record) -> AsyncIterator[Document | None]:
        """Give the document in a record; None if the record deletes it. Its memory is reserved until the end.

        Wait while the registry is away, and for a limited time while the store of a text is away. Raise
        `DocumentRejected`.
        """
        key = read_key(record)
        if record.value is None:
            _check_tombstone(record)
            yield None
            return
        event = await self._decode(record)
        parsed = await asyncio.to_thread(self._parse, event) if event.is_large else self._parse(event)
        if parsed is None:
            yield None
        elif isinstance(parsed.text, TextReference):
            try:
                texts, reservation = await read_texts(self.references, {parsed.text.uri: 1}, self.sleep)
            except ReferenceRefused as refused:
                code: ErrorCode = "too_large" if refused.is_too_large else "invalid_request"
                raise DocumentRejected(code, f"text.uri: {refused.reason}") from None
            except StoreUnavailable as error:
                raise DocumentRejected("store_unavailable", f"text.uri: {error}") from None
            with reservation:
                # A presigned address has a signature in its query.
                address = parsed.text.uri.partition("?")[0]
                yield await asyncio.to_thread(_build, key, texts[parsed.text.uri], parsed, address)
        else:
            yield await asyncio.to_thread(_build, key, parsed.text, parsed, "")

    async def _decode(self, record: Record) -> DecodedEvent:
        def log_away(error: RegistryUnavailable) -> None:
            log.warning("a document waits for the schema registry", record=record_id(record), reason=str(error))

        async def decode() -> DecodedEvent:
            return await self.format.decode(record)

        try:
            return await retry_while_away(decode, RegistryUnavailable, log_away, self.sleep)
        except EventUnreadable as error:
            raise DocumentRejected("unreadable", str(error)) from None

    def _parse(self, event: DecodedEvent) -> DocumentRecord | None:
        try:
            found: Any = self.source.document_of(event.document)
        except ExpressionFailed as error:
            raise DocumentRejected("invalid_request", f"document: {error}") from None
        if found is None:
            return None
        try:
            parsed = DocumentRecord.model_validate(found)
        except ValidationError as error:
            reasons = field_errors(error, root="document", document="a document", limit=_MAX_FIELD_ERRORS)
            raise DocumentRejected("invalid_request", explain(reasons)) from None
        if (kind := (parsed.media_type or "text/plain").partition(";")[0].strip().lower()) not in _TEXT_TYPES:
            raise DocumentRejected(
                "unsupported", f"media_type: {kind[:100]!r} is not read; {', '.join(_TEXT_TYPES)} are"
            )
        return parsed


def read_key(record: Record) -> str:
    """Return the key of the document in a record. Raise `DocumentRejected`."""
    if record.key is None:
        raise DocumentRejected("invalid_request", "key: is missing; the record's key identifies the document")
    try:
        key = record.key.decode()
        check_key(key)
    except UnicodeDecodeError:
        raise DocumentRejected("invalid_request", "key: is not text in UTF-8") from None
    except DocumentInvalid as error:
        raise DocumentRejected("invalid_request", str(error)) from None
    return key


def _check_tombstone(record: Record) -> None:
    """Raise `DocumentRejected` if the record has a value that was too large to be read."""
    if size := value_size(record):
        reason = f"has {size:,} bytes" if size != UNKNOWN_SIZE else "came in a batch that takes too long to unpack"
        raise DocumentRejected("too_large", f"value: {reason}; send a larger text by reference")


def _build(key: str, text: str, parsed: DocumentRecord, address: str) -> Document:
    fields = {name: value for name, value in (parsed.fields or {}).items() if value is not None}
    if not text.strip():
        raise DocumentRejected("invalid_request", "text: must not be blank")
    try:
        return Document(key, text, parsed.title or "", parsed.uri or address, fields)
    except DocumentInvalid as error:
        raise DocumentRejected("invalid_request", str(error)) from None

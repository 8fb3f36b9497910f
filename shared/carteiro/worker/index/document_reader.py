"""Reads the document in a record: its own JSON, or another topic's event by an expression; text, bytes or address."""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError

from carteiro.concurrency.retry import retry_while_away
from carteiro.enrichment.expression import ExpressionFailed
from carteiro.index.collection_source import CollectionSource
from carteiro.references.errors import ReferenceRefused, StoreUnavailable
from carteiro.references.memory_budget import MemoryBudget
from carteiro.registry.errors import RegistryUnavailable
from carteiro.retrieval.document import Document, check_key
from carteiro.retrieval.errors import DocumentInvalid
from carteiro.retrieval.headings import first_heading
from carteiro.retrieval.readers.errors import FileRejected
from carteiro.retrieval.readers.file_reader import DocumentFileReader
from carteiro.retrieval.readers.file_text import MARKDOWN, PLAIN, FileText
from carteiro.schemas import ErrorCode
from carteiro.schemas.document import DocumentRecord
from carteiro.schemas.field_errors import explain, field_errors
from carteiro.schemas.text_reference import TextReference
from carteiro.wire.event_format import DecodedEvent, EventFormat, EventUnreadable
from carteiro.wire.json_event import JsonFormat
from carteiro.wire.record import UNKNOWN_SIZE, Record, record_id, value_size
from carteiro.worker.handling.steps.references import not_permitted, wait_for_store

if TYPE_CHECKING:
    from carteiro.references.memory_budget import Reservation
    from carteiro.references.reader import FileContent, ReferenceReader

log = structlog.get_logger("carteiro.worker")

MAX_CHARACTERS = 16 * 1024 * 1024
"""Longest text of a file, in characters."""
FILE_CHARACTERS = 4 * MAX_CHARACTERS
"""Characters of the texts of files that all collections of a worker hold at once: a small file may have a long text."""
_SHORT_CHARACTERS = 32 * 1024
"""Longest text that is checked on the event loop: a thread would cost more time than the check."""
_PLAIN_TYPES = ("", PLAIN, MARKDOWN)
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
    files: DocumentFileReader
    format: EventFormat = field(default_factory=JsonFormat)
    references: "ReferenceReader | None" = None
    """Reader of texts by reference; None if such documents are rejected."""
    memory: MemoryBudget = field(default_factory=partial(MemoryBudget, FILE_CHARACTERS))
    """Budget of the characters of files' texts."""
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
            uri = parsed.text.uri
            content, reservation = await self._fetch(uri)
            media_type = parsed.media_type or content.content_type
            with reservation:
                async with self._open_file(content.data, media_type, uri, "text.uri") as found:
                    # A presigned address has a signature in its query.
                    yield await _build(key, found, parsed, uri.partition("?")[0])
        else:
            async with self._open_content(parsed) as found:
                yield await _build(key, found, parsed, "")

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
            return DocumentRecord.model_validate(found)
        except ValidationError as error:
            reasons = field_errors(error, root="document", document="a document", limit=_MAX_FIELD_ERRORS)
            raise DocumentRejected("invalid_request", explain(reasons)) from None

    async def _fetch(self, uri: str) -> "tuple[FileContent, Reservation]":
        try:
            if self.references is None:
                raise not_permitted(uri)
            return await wait_for_store(partial(self.references.read_bytes, uri), self.sleep)
        except ReferenceRefused as refused:
            code: ErrorCode = "too_large" if refused.is_too_large else "invalid_request"
            raise DocumentRejected(code, f"text.uri: {refused.reason}") from None
        except StoreUnavailable as error:
            raise DocumentRejected("store_unavailable", f"text.uri: {error}") from None

    @asynccontextmanager
    async def _open_content(self, parsed: DocumentRecord) -> AsyncIterator[FileText]:
        media_type = parsed.media_type or ""
        if isinstance(parsed.text, str):
            if (kind := media_type.partition(";")[0].strip().lower()) in _PLAIN_TYPES:
                has_title = parsed.title or kind == PLAIN
                title = "" if has_title else first_heading(parsed.text)
                yield FileText(parsed.text, title)
                return
            text = parsed.text.encode("utf-8", "replace")
            async with self._open_file(text, f"{media_type.partition(';')[0]}; charset=utf-8", "", "text") as found:
                yield found
            return
        assert parsed.data is not None
        try:
            data = await asyncio.to_thread(base64.b64decode, parsed.data, validate=True)
        except (binascii.Error, ValueError):
            raise DocumentRejected("invalid_request", "data: is not Base64") from None
        async with self._open_file(data, media_type, parsed.uri or "", "data") as found:
            yield found

    @asynccontextmanager
    async def _open_file(self, data: bytes, media_type: str, name: str, where: str) -> AsyncIterator[FileText]:
        """Give the text of a file. Its memory is reserved until the end, and that of the longest while it is read."""
        with await self.memory.reserve(MAX_CHARACTERS) as reservation:
            try:
                found = await self.files.read(data, media_type, name, MAX_CHARACTERS)
            except FileRejected as error:
                code: ErrorCode = "too_large" if error.is_too_large else "unreadable"
                raise DocumentRejected(code, f"{where}: {error.reason}") from None
            reservation.shrink(len(found.text))
            yield found


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


async def _build(key: str, found: FileText, parsed: DocumentRecord, address: str) -> Document:
    if len(found.text) <= _SHORT_CHARACTERS:
        return _build_at_once(key, found, parsed, address)
    return await asyncio.to_thread(_build_at_once, key, found, parsed, address)


def _build_at_once(key: str, found: FileText, parsed: DocumentRecord, address: str) -> Document:
    fields = {name: value for name, value in (parsed.fields or {}).items() if value is not None}
    if not found.text.strip():
        raise DocumentRejected("invalid_request", "text: must not be blank")
    try:
        return Document(key, found.text, parsed.title or found.title, parsed.uri or address, fields, found.page_starts)
    except DocumentInvalid as error:
        raise DocumentRejected("invalid_request", str(error)) from None

"""The handler of one document: from its record to the store, and to the outcome that the lane delivers."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from carteiro.models.errors import ModelError
from carteiro.retrieval.document import Version
from carteiro.retrieval.errors import DocumentInvalid
from carteiro.wire.envelope import add_duration
from carteiro.wire.record import OutgoingRecord, Record, record_id
from carteiro.worker.handling.dead_letters import DeadLetters
from carteiro.worker.index.document_outcome import DocumentOutcome
from carteiro.worker.index.document_reader import DocumentReader, DocumentRejected, read_key
from carteiro.worker.index.document_writer import DocumentWriter
from carteiro.worker.model_calls.budget import CostBudget, UsageMeter
from carteiro.worker.model_calls.deferred_request import Deferral, DeferredRequest
from carteiro.worker.observability import metrics
from carteiro.worker.observability.logs import traceback_summary

log = structlog.get_logger("carteiro.worker")


@dataclass(frozen=True, slots=True)
class DocumentHandler:
    """Handler of the documents of one collection."""

    reader: DocumentReader
    writer: DocumentWriter
    budget: CostBudget
    group: str
    dead_letters: DeadLetters

    @property
    def task(self) -> str:
        """Name of the collection among a worker's tasks."""
        return self.reader.source.served_name

    async def handle(self, record: Record, deferred: DeferredRequest | None = None) -> DocumentOutcome:
        """Store the document of a record, or delete it, and return the outcome. Raise only `asyncio.CancelledError`.

        `deferred` is set if a batch API embeds the document. Wait while the store, the model or the registry is away.
        """
        metrics.labelled(metrics.REQUESTS, self.task).inc()
        with metrics.labelled(metrics.IN_FLIGHT, self.task).track_inprogress():
            try:
                return await self._handle(record, deferred)
            except DocumentRejected as error:
                return await self._failed(record, error.code, str(error))
            except DocumentInvalid as error:
                return await self._failed(record, "invalid_request", str(error))
            except ModelError as error:
                return await self._failed(record, error.code, error.message)
            except Exception as error:  # noqa: BLE001  # nothing stops a partition
                log.critical("a document cannot be indexed", **self._fields(record), failure=traceback_summary(error))
                return await self._failed(record, "internal", f"the service failed: {type(error).__name__}")

    async def handle_unparsed(self, record: Record) -> DocumentOutcome:
        """Return the outcome of a document that did not reach `handle`."""
        return await self._failed(record, "internal", "the service could not read the document")

    async def reject_poison(self, record: Record, crashes: int) -> DocumentOutcome:
        """Return the outcome of a document that ended its worker `crashes` times. It is not served again."""
        reason = f"the worker ended {crashes} times while it served the document"
        return await self._failed(record, "internal", reason, crashes)

    async def _handle(self, record: Record, deferred: DeferredRequest | None) -> DocumentOutcome:
        version, meter = _version(record), UsageMeter(self.budget, self.task, record.key)
        deadline = add_duration(datetime.now(UTC), self.reader.source.patience)
        deferral = Deferral(deferred, deadline) if deferred and deadline else None
        async with self.reader.open(record) as document:
            if document is None:
                is_current = await self.writer.delete(read_key(record), version, meter)
                return self._outcome("deleted" if is_current else "outdated")
            is_current = await self.writer.write(document, version, meter, deferral)
            return self._outcome("indexed" if is_current else "outdated")

    async def _failed(self, record: Record, code: str, reason: str, tries: int = 0) -> DocumentOutcome:
        # Only our own words are logged: a model that refuses a text may quote it.
        log.error("a document is not indexed", **self._fields(record), code=code)
        await self._note_error(record, code, reason)
        letter = self.dead_letters.build(record, code, reason, tries)
        outcome = self._outcome("dead_letter", code)
        return replace(outcome, letter=letter, if_too_large=lambda: self._without_value(outcome, letter))

    async def _note_error(self, record: Record, code: str, reason: str) -> None:
        try:
            key = read_key(record)
        except DocumentRejected:
            return  # A record without a key belongs to no document.
        try:
            meter = UsageMeter(self.budget, self.task, record.key)
            await self.writer.note_error(key, _version(record), code, reason, meter)
        except Exception as error:  # noqa: BLE001  # the dead letter has the reason too
            log.warning("the error of a document is not kept", **self._fields(record), failure=traceback_summary(error))

    def _without_value(self, outcome: DocumentOutcome, letter: OutgoingRecord) -> DocumentOutcome:
        """Return a dead letter with only its headers, which name its record. If it is too large too, it is left out."""
        return replace(outcome, letter=replace(letter, value=b""), if_too_large=lambda: outcome)

    def _outcome(self, result: str, code: str = "ok") -> DocumentOutcome:
        return DocumentOutcome(self.reader.source.collection, self.task, result, code)

    def _fields(self, record: Record) -> dict[str, str]:
        return {"collection": self.reader.source.collection, "record": record_id(record)}


def _version(record: Record) -> Version:
    return Version(record.topic, record.partition, record.offset, record.timestamp)

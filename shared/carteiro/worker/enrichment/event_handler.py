"""The handler of one event: from its record to the outcome that the lane delivers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import structlog

from carteiro.concurrency.retry import retry_while_away
from carteiro.enrichment.enricher import EnrichedEvent, Enricher
from carteiro.enrichment.enrichment_file import EnrichmentFile
from carteiro.registry.errors import RegistryUnavailable
from carteiro.wire.event_format import EventFormat, EventUnreadable
from carteiro.wire.json_event import JsonFormat
from carteiro.wire.record import UNKNOWN_SIZE, OutgoingRecord, Record, record_id, value_size
from carteiro.worker.enrichment.event_outcome import EventOutcome, copy_event
from carteiro.worker.enrichment.task_caller import TaskCaller
from carteiro.worker.handling.dead_letters import DeadLetters
from carteiro.worker.handling.pipeline import Pipeline
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.journal.store import JournalStore
from carteiro.worker.model_calls.budget import CostBudget, UsageMeter
from carteiro.worker.model_calls.deferred_request import DeferredRequest
from carteiro.worker.observability import metrics
from carteiro.worker.observability.logs import traceback_summary

log = structlog.get_logger("carteiro.worker")


@dataclass(frozen=True, slots=True)
class EventHandler:
    """Handler of the events of one enrichment. One event in is one event out, but for those that are dropped."""

    file: EnrichmentFile
    pipelines: Mapping[str, Pipeline]
    budget: CostBudget
    group: str
    dead_letters: DeadLetters
    format: EventFormat = field(default_factory=JsonFormat)
    journals: JournalStore | None = None
    """Finished calls of unanswered events; None if they are not kept."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def handle(self, record: Record, deferred: DeferredRequest | None = None) -> EventOutcome:
        """Return the outcome of an event. Raise only `asyncio.CancelledError`.

        `deferred` is set if the event's prompts go through a batch API.
        """
        metrics.labelled(metrics.REQUESTS, self.file.served_name).inc()
        if record.value is None:
            size = value_size(record)  # A large value is read without its bytes: it is no tombstone.
            return self._unread(record, size) if size else self._pass_on(record)
        with metrics.labelled(metrics.IN_FLIGHT, self.file.served_name).track_inprogress():
            if (journal := self.journals.open(record) if self.journals else None) is None:
                return await self._handle(record, None, deferred)
            outcome = await self._handle(record, journal, deferred)
            await journal.settle()
            return replace(outcome, journal=journal)

    async def _handle(
        self, record: Record, journal: RequestJournal | None, deferred: DeferredRequest | None
    ) -> EventOutcome:
        meter = UsageMeter(self.budget, self.file.served_name, record.key)
        try:
            deadline = datetime.now(UTC) + self.file.patience if self.file.patience else None
            caller = TaskCaller(self.pipelines, record, meter, deadline, journal, deferred)
            enricher = Enricher(self.file, caller)
            return self._outcome(record, await self._enrich(record, enricher))
        except EventUnreadable as error:
            log.warning("an event is not enriched", **self._fields(record), reason=str(error))
            return self._failed(record, "unreadable", str(error))
        except Exception as error:  # noqa: BLE001  # nothing stops a partition
            log.critical("an event cannot be enriched", **self._fields(record), failure=traceback_summary(error))
            return self._failed(record, "internal", f"the service failed: {type(error).__name__}")

    async def _enrich(self, record: Record, enricher: Enricher) -> EnrichedEvent:
        """Return the enriched event. While the registry is away, the event waits, and counts as in flight.

        So the lane starts no more once its concurrency limit is reached. The registry is asked before a model is.
        """

        async def enrich() -> EnrichedEvent:
            return await enricher.enrich(await self.format.decode(record))

        def log_away(error: RegistryUnavailable) -> None:
            log.warning("an event waits for the schema registry", **self._fields(record), reason=str(error))

        return await retry_while_away(enrich, RegistryUnavailable, log_away, self.sleep)

    async def handle_unparsed(self, record: Record) -> EventOutcome:
        """Return the outcome of an event that did not reach `handle`."""
        return self._failed(record, "internal", "the service could not read the event")

    async def reject_poison(self, record: Record, crashes: int) -> EventOutcome:
        """Return the outcome of an event that ended its worker `crashes` times. It is not served again."""
        reason = f"the worker ended {crashes} times while it served the event"
        log.error("an event is not enriched", **self._fields(record), reason=reason)
        outcome = self._failed(record, "internal", reason, tries=crashes)
        return replace(outcome, journal=self.journals.open(record)) if self.journals else outcome

    def _outcome(self, record: Record, enriched: EnrichedEvent) -> EventOutcome:
        codes = ",".join(f"{error.name}={error.code}" for error in enriched.errors)
        if codes:
            log.warning("an event is not enriched as a whole", **self._fields(record), errors=codes)
        code = enriched.errors[0].code if enriched.errors else "ok"
        if enriched.action == "drop":
            return self._drop(record, code)
        if enriched.action == "dead_letter":
            return self._dead_letter(record, code, f"{codes}: {enriched.errors[0].message}")
        if enriched.value == record.value and not codes:
            return self._pass_on(record)
        outgoing = copy_event(record, self.file.target, enriched.value, codes, enriched.headers)
        result = "failed" if codes else "enriched"
        return EventOutcome(self.file, record, result, outgoing, code, self._enriched_rejected)

    def _pass_on(self, record: Record) -> EventOutcome:
        outgoing = copy_event(record, self.file.target, record.value)
        return EventOutcome(self.file, record, "unchanged", outgoing, if_rejected=self._rejected)

    def _failed(self, record: Record, code: str, reason: str, tries: int = 0) -> EventOutcome:
        """Return the outcome of an event into which nothing can be written, not even the error."""
        match self.file.on_error:
            case "drop":
                return self._drop(record, code)
            case "dead_letter":
                return self._dead_letter(record, code, reason, tries)
            case "keep" if record.value is None and value_size(record):
                return self._dead_letter(record, code, reason, tries)  # There is no value to send on.
            case "keep":
                outgoing = copy_event(record, self.file.target, record.value, f"event={code}")
                return EventOutcome(self.file, record, "failed", outgoing, code, self._noted_rejected)

    def _enriched_rejected(self, record: Record, code: str) -> EventOutcome:
        return self._failed(record, code, "the topic does not take the enriched event")

    def _noted_rejected(self, record: Record, code: str) -> EventOutcome:
        """Return the outcome of an event for which even the header with the error is too much."""
        outgoing = copy_event(record, self.file.target, record.value)
        return EventOutcome(self.file, record, "failed", outgoing, code, self._rejected)

    def _rejected(self, record: Record, code: str) -> EventOutcome:
        return self._dead_letter(record, code, f"{self.file.target} does not take the event")

    def _unread(self, record: Record, size: int) -> EventOutcome:
        """Return the outcome of an event that is too large to be read: its dead letter names its record."""
        reason = f"it has {size:,} bytes" if size != UNKNOWN_SIZE else "its batch takes too long to unpack"
        log.error("an event is not read", **self._fields(record), reason=reason)
        return self._dead_letter(record, "too_large", f"the event is not read: {reason}")

    def _drop(self, record: Record, code: str) -> EventOutcome:
        return EventOutcome(self.file, record, "dropped", None, code)

    def _dead_letter(self, record: Record, code: str, reason: str, tries: int = 0) -> EventOutcome:
        dead_letter = self.dead_letters.build(record, code, reason, tries)
        return EventOutcome(
            self.file, record, "dead_letter", dead_letter, code, partial(self._without_value, dead_letter)
        )

    def _without_value(self, dead_letter: OutgoingRecord, record: Record, code: str) -> EventOutcome:
        """Return a dead letter that was too large, with only its headers, which name its record.

        If it is too large even so, the event is dropped: it must not stop the partition.
        """
        empty = replace(dead_letter, value=b"")
        return EventOutcome(self.file, record, "dead_letter", empty, code, self._drop)

    def _fields(self, record: Record) -> dict[str, str]:
        return {"enrichment": self.file.name, "event_id": record_id(record)}

"""The outcomes of events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from aiokafka.errors import InvalidTimestampError, PolicyViolationError

from carteiro.enrichment.enrichment_file import EnrichmentFile
from carteiro.kafka.record_errors import TOO_LARGE, InvalidRecordError
from carteiro.wire.record import Headers, OutgoingRecord, Record, record_id
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.worker")

ERRORS_HEADER = "carteiro_enrichment_errors"
"""Header of an event that goes on although steps failed: `STEP=CODE` for each, with commas between them."""

_REFUSED = (InvalidRecordError, PolicyViolationError)
"""Errors of a topic that takes other records than this one: a compacted topic takes none without a key."""

_CAUSED_BY_CALLS = ("internal", "invalid_output")
"""Codes of errors that finished calls may be the cause of. A redriven event makes them again."""


@dataclass(frozen=True, slots=True)
class EventOutcome(Outcome):
    """One event that goes on, is left out, or became a dead letter."""

    file: EnrichmentFile
    record: Record
    result: str
    """`enriched`, `failed` (it goes on, but without the results of some steps), `unchanged`, `dropped` or
    `dead_letter`.
    """
    outgoing: OutgoingRecord | None
    """The record to publish; None if the event is dropped."""
    code: str = "ok"
    """`ok`, or the code of the event's first error."""
    if_rejected: Callable[[Record, str], "EventOutcome"] | None = None
    """Returns the outcome if the topic rejects the record, by the code of the reason; None if there is no other one."""

    journal: RequestJournal | None = None
    """Finished calls of the event's steps; None if they are not kept."""

    @property
    def cleanup(self) -> RequestJournal | None:
        # A dead letter of a model that failed can be redriven. Other calls might repeat its fault.
        return None if self.result == "dead_letter" and self.code not in _CAUSED_BY_CALLS else self.journal

    @property
    def records(self) -> Sequence[OutgoingRecord]:
        return [self.outgoing] if self.outgoing is not None else []

    @property
    def custom_record(self) -> OutgoingRecord | None:
        return None

    def fall_back(self, record: OutgoingRecord, error: Exception) -> "EventOutcome | None":
        """Return the outcome in place of one whose record its topic never takes; None if the topic takes nothing now.

        A record is too old, too large, or not one of those that the topic takes.
        """
        if isinstance(error, InvalidTimestampError) and record.timestamp is not None:
            return replace(self, outgoing=replace(record, timestamp=None))
        is_refused = isinstance(error, _REFUSED) and record.topic == self.file.target
        if self.if_rejected is None or not (is_refused or isinstance(error, TOO_LARGE)):
            return None
        fields = {"event_id": record_id(self.record), "topic": record.topic, "reason": repr(error)}
        log.warning("the topic does not take an event", **fields)
        rejected = self.if_rejected(self.record, "invalid_request" if is_refused else "too_large")
        return replace(rejected, journal=self.journal) if self.journal is not None else rejected

    def on_queued(self) -> None:
        """No-op."""

    def on_acknowledged(self) -> None:
        if self.cleanup is not None:
            self.cleanup.forget()
        task = self.file.served_name
        metrics.labelled(metrics.EVENTS, self.file.name, self.result).inc()
        metrics.labelled(metrics.REPLIES, task, self.code).inc()
        if self.code != "ok":
            metrics.labelled(metrics.LAST_ERROR, task, self.code).set_to_current_time()
        if self.result == "dead_letter":
            metrics.labelled(metrics.DEAD_LETTERS, task, self.code).inc()


def copy_event(
    record: Record, topic: str, value: bytes | None, errors: str = "", new_headers: Headers = ()
) -> OutgoingRecord:
    """Return the record of an event with another value: key, headers and timestamp are the event's.

    `errors` is the value of the header that tells which steps failed; without it there is no such header. `new_headers`
    take the place of headers of the same names.
    """
    replaced = {ERRORS_HEADER, *(name for name, _ in new_headers)}
    headers = [*(each for each in record.headers if each[0] not in replaced), *new_headers]
    if errors:
        headers.append((ERRORS_HEADER, errors.encode()))
    timestamp = record.timestamp if record.timestamp >= 0 else None
    # aiokafka sends no record with neither key nor value, although a broker takes it and other clients send it.
    value = b"" if value is None and record.key is None else value
    return OutgoingRecord(topic, None, record.key, value, headers, timestamp=timestamp)

"""The outcomes of documents: nothing is published for a document, except its dead letter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from carteiro.kafka.record_errors import TOO_LARGE
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.worker")


@dataclass(frozen=True, slots=True)
class DocumentOutcome(Outcome):
    """One document that is in the store, was deleted there, or became a dead letter."""

    collection: str
    task: str
    """Name of the collection among a worker's tasks."""
    result: str
    """`indexed`, `deleted`, `outdated` (the store has a newer version) or `dead_letter`."""
    code: str = "ok"
    """`ok`, or the code of the error."""
    letter: OutgoingRecord | None = None
    """The dead letter; None if the document has no error."""
    if_too_large: Callable[[], "DocumentOutcome"] | None = None
    """Returns the outcome if the dead letter is too large for its topic; None if there is no other one."""

    @property
    def records(self) -> Sequence[OutgoingRecord]:
        return [self.letter] if self.letter is not None else []

    @property
    def custom_record(self) -> None:
        return None

    def fall_back(self, record: OutgoingRecord, error: Exception) -> "DocumentOutcome | None":
        """Return the outcome in place of one whose dead letter is too large; None if its topic takes nothing now."""
        if self.if_too_large is None or not isinstance(error, TOO_LARGE):
            return None
        log.warning("a dead letter is too large to keep as a whole", topic=record.topic)
        return self.if_too_large()

    def on_queued(self) -> None:
        """No-op."""

    def on_acknowledged(self) -> None:
        metrics.labelled(metrics.DOCUMENTS, self.collection, self.result).inc()
        metrics.labelled(metrics.REPLIES, self.task, self.code).inc()
        if self.code != "ok":
            metrics.labelled(metrics.LAST_ERROR, self.task, self.code).set_to_current_time()
            metrics.labelled(metrics.DEAD_LETTERS, self.task, self.code).inc()

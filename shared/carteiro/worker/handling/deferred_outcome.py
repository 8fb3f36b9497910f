"""The outcome of a request that is deferred: no reply yet, but a record for the batch service."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from carteiro.wire.envelope import Envelope
from carteiro.wire.record import OutgoingRecord
from carteiro.wire.reply import JSON_REPLIES, ReplyEncoder
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.handling import error_replies as errors
from carteiro.worker.handling import fallbacks
from carteiro.worker.handling.reply_outcome import ReplyOutcome
from carteiro.worker.handling.reply_router import ReplyAddress
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.worker")


@dataclass(frozen=True, eq=False)
class DeferredOutcome(Outcome):
    """Outcome whose record goes to the topic of deferred requests."""

    record: OutgoingRecord
    task: str
    envelope: Envelope
    address: ReplyAddress
    """Address of the error reply if the request cannot be deferred."""
    default_reply_topic: str
    """The task's own topic of replies."""
    encoder: ReplyEncoder = JSON_REPLIES
    """Format of that error reply."""

    @property
    def records(self) -> Sequence[OutgoingRecord]:
        return [self.record]

    @property
    def custom_record(self) -> OutgoingRecord:
        # Its topic may be missing, which must not delay live replies.
        return self.record

    @property
    def can_wait(self) -> bool:
        return True

    @property
    def creates_topic(self) -> bool:
        return True

    def refused(self, reason: str) -> ReplyOutcome:
        """Return the error reply to a request that cannot be deferred."""
        reply = errors.not_deferrable(self.task, self.envelope, reason)
        return ReplyOutcome(reply, self.envelope, self.address, self.default_reply_topic, encoder=self.encoder)

    def fall_back(self, record: OutgoingRecord, error: Exception) -> "DeferredOutcome | ReplyOutcome":  # noqa: ARG002
        return fallbacks.replace_deferral(self, error)

    def on_queued(self) -> None:
        """No-op."""

    def on_acknowledged(self) -> None:
        metrics.labelled(metrics.REQUESTS_DEFERRED, self.task).inc()
        request_id = self.envelope.request_id
        log.info("request deferred", task=self.task, request_id=request_id, topic=self.record.topic)

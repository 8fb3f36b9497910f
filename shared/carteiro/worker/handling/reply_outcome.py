"""The outcome of a request that has a reply."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from opentelemetry.trace import INVALID_SPAN, Span

from carteiro.references.bucket import Bucket
from carteiro.schemas import StoredResult
from carteiro.wire.envelope import Envelope
from carteiro.wire.record import OutgoingRecord
from carteiro.wire.reply import JSON_REPLIES, ReplyEncoder, reply_record
from carteiro.worker.conversations.pending_turn import PendingTurn
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.handling import fallbacks, result_storage
from carteiro.worker.handling.pipeline import AnyReply
from carteiro.worker.handling.reply_router import ReplyAddress
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.worker")

_SAFE_MESSAGE_CODES = ("expired", "rate_limited", "model_unavailable", "over_budget", "store_unavailable", "internal")
"""Codes of errors whose messages quote neither the caller nor a model, so that they may be logged."""
_MAX_ECHO_BYTES = 16 * 1024


@dataclass(frozen=True, eq=False)
class ReplyOutcome(Outcome):
    """One reply, the dead letter of its request if it has one, and the conversation that the reply continues."""

    reply: AnyReply
    envelope: Envelope | None
    """None if the request could not be read."""
    address: ReplyAddress
    default_reply_topic: str
    """The task's own topic of replies."""
    trace: dict[str, str] = field(default_factory=dict)
    """Headers of the trace that the reply continues."""
    dead_letter: OutgoingRecord | None = None
    seq: int | None = None
    """Number of the reply after its streamed chunks; None if nothing was streamed."""
    span: Span = INVALID_SPAN
    """Span that ends when the broker acknowledges the reply."""
    turn: PendingTurn | None = None
    """Turn of a stored conversation. An error leaves the conversation unchanged."""
    journal: RequestJournal | None = None
    """Finished calls of the request; None if they are not kept."""
    encoder: ReplyEncoder = JSON_REPLIES
    """Format of the reply."""
    is_minimal: bool = False
    """True if the reply's record is as small as possible: without the request's key and CloudEvent."""
    bucket: Bucket | None = None
    """Bucket of results that are too large for their topic; None if there is no such bucket."""
    is_oversized: bool = False
    """True if the topic rejects the reply, and the result is about to be stored in the bucket."""
    stored_result: StoredResult | None = None
    """Place of the result, if the reply's record has only that."""
    record: OutgoingRecord = field(init=False)
    """The reply's record."""

    def __post_init__(self) -> None:
        if self.envelope is None:
            object.__setattr__(self, "is_minimal", True)
        object.__setattr__(self, "record", self._minimal_record() if self.is_minimal else self._full_record())

    @property
    def records(self) -> Sequence[OutgoingRecord]:
        # The conversation goes first: if its topic rejects it, the reply has to be replaced.
        turn = self.stored_turn
        records = [turn.record if turn else None, self.record, self.dead_letter]
        return [record for record in records if record is not None]

    @property
    def custom_record(self) -> OutgoingRecord | None:
        return self.record if self.record.topic != self.default_reply_topic else None

    @property
    def cleanup(self) -> RequestJournal | None:
        # A dead letter of a model that failed can be redriven. After a fault of ours its calls might repeat the fault.
        is_kept = self.dead_letter is not None and self.reply.status == "error" and self.reply.error.code != "internal"
        return None if is_kept else self.journal

    @property
    def stored_turn(self) -> PendingTurn | None:
        """The turn that is stored with the reply; None if there is no conversation, or it stays unchanged."""
        return self.turn if self.reply.status == "ok" else None

    @property
    def known_envelope(self) -> Envelope:
        """The envelope of a request that could be read."""
        assert self.envelope is not None
        return self.envelope

    @property
    def log_fields(self) -> dict[str, str]:
        """The task and the ids of the request, as fields of log events."""
        ids = {"task": self.reply.task, "request_id": self.reply.request_id}
        return ids if self.is_minimal else ids | {"correlation_id": self.known_envelope.correlation_id}

    def fall_back(self, record: OutgoingRecord, error: Exception) -> "ReplyOutcome | None":
        return fallbacks.replace_reply(self, record, error)

    async def prepare(self) -> "ReplyOutcome":
        return await result_storage.store_in_delivery(self) if self.is_oversized else self

    def on_queued(self) -> None:
        if self.turn is not None and self.stored_turn is None:
            self.turn.discard()
        elif self.turn is not None:
            self.turn.on_queued()

    def on_acknowledged(self) -> None:
        self.span.end()
        if self.cleanup is not None:
            self.cleanup.forget()
        if self.stored_turn is not None:
            self.stored_turn.on_acknowledged()
        reply = self.reply
        code = "ok" if reply.status == "ok" else reply.error.code
        metrics.labelled(metrics.REPLIES, reply.task, code).inc()
        if self.dead_letter is not None:
            metrics.labelled(metrics.DEAD_LETTERS, reply.task, code).inc()
        if reply.status == "ok":
            log.info(
                "answered",
                **self.log_fields,
                model=reply.model,
                finish_reason=reply.finish_reason,
                input_tokens=reply.usage.input_tokens,
                output_tokens=reply.usage.output_tokens,
                queue_ms=reply.timing.queue_ms,
                work_ms=reply.timing.work_ms,
            )
        else:
            metrics.labelled(metrics.LAST_ERROR, reply.task, code).set_to_current_time()
            dead_letter_field = {"dead_letter": self.dead_letter.topic} if self.dead_letter is not None else {}
            # Only safe messages are logged: others may quote the caller's or the model's text.
            reason = {"reason": reply.error.message} if code in _SAFE_MESSAGE_CODES else {}
            log.info("answered with an error", **self.log_fields, code=code, **reason, **dead_letter_field)

    def _full_record(self) -> OutgoingRecord:
        topic, partition = self.address.topic, self.address.partition
        return reply_record(
            self.known_envelope,
            self.reply.task,
            self.encoder.encode(result_storage.written_reply(self.reply, self.stored_result)),
            topic=topic,
            partition=partition,
            trace=self.trace,
            seq=self.seq,
        )

    def _minimal_record(self) -> OutgoingRecord:
        """Return an error record that always fits.

        If the correlation headers are too large, the request's id replaces them.
        """
        echo = list(self.envelope.echo_headers) if self.envelope else []
        if not echo or sum(len(value) for _, value in echo) > _MAX_ECHO_BYTES:
            echo = [("correlation_id", self.reply.request_id.encode())]
        encoded = self.encoder.encode(self.reply)
        headers = [*echo, ("content-type", encoded.content_type), *encoded.headers]
        return OutgoingRecord(self.default_reply_topic, None, None, encoded.value, headers)

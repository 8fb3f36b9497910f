"""A request's reply on its way: what is sent, and what instead where a topic does not take it."""

from collections.abc import Sequence

import structlog
from opentelemetry.trace import INVALID_SPAN, Span

from carteiro.schemas import ErrorReply, PartialReply
from carteiro.wire.envelope import Envelope
from carteiro.wire.record import OutgoingRecord
from carteiro.wire.reply import reply_record
from carteiro.worker import error_replies as errors
from carteiro.worker.answering import Answer
from carteiro.worker.conversing.new_turn import NewTurn
from carteiro.worker.delivery.outcome import TOO_LARGE, Outcome
from carteiro.worker.delivery.producers import send
from carteiro.worker.kafka.addressing import Address, Addresses, instead
from carteiro.worker.observing import metrics

log = structlog.get_logger("carteiro.worker")

_MOST_ECHO = 16 * 1024


class Reply(Outcome):
    """One reply, with the dead letter of its request where it was given up, and the conversation that it goes on.

    `replies` is the service's own topic.
    """

    def __init__(
        self,
        answer: Answer,
        envelope: Envelope | None,
        address: Address,
        replies: str,
        trace: dict[str, str],
        letter: OutgoingRecord | None,
        *,
        seq: int | None = None,
        span: Span = INVALID_SPAN,
        turn: NewTurn | None = None,
    ) -> None:
        """`seq` is the reply's number after the pieces that were streamed. `span` ends once the reply is there. `turn`
        is given where the reply goes on a conversation that is kept.
        """
        self._answer, self._envelope, self._address, self._replies = answer, envelope, address, replies
        self._trace, self._letter, self._seq, self._span, self._turn = trace, letter, seq, span, turn
        self._record = self._bare() if envelope is None else self._whole(envelope)

    @property
    def records(self) -> Sequence[OutgoingRecord]:
        # The conversation goes first: where its topic does not take it, there has to be another reply.
        several = [self._turn.record if self._turn else None, self._record, self._letter]
        return [record for record in several if record is not None]

    @property
    def elsewhere(self) -> bool:
        return self._record.topic != self._replies

    def refused(self, record: OutgoingRecord, error: Exception) -> bool:
        """A reply that is too large becomes an error that says so, and an error that is too large loses what it
        echoes; a topic of the caller's choice that takes no reply is replaced by the service's own. A conversation that
        is too large loses what was said first. With an error it stays as it was.
        """
        if record is self._letter:
            if not isinstance(error, TOO_LARGE):
                return False
            log.error("a request that was given up is too large to keep", **self._ids, topic=record.topic)
            self._letter = None
        elif self._envelope is None:
            return False
        elif self._turn is not None and record is self._turn.record:
            if not (isinstance(error, TOO_LARGE) and self._turn.shorten()):
                log.error("the topic does not take a conversation", **self._ids, topic=record.topic, reason=repr(error))
                self._replace(
                    errors.not_kept(self._answer.task, self._envelope, too_large=isinstance(error, TOO_LARGE))
                )
        elif isinstance(error, TOO_LARGE) and self._answer.status == "error":
            self._record, self._envelope = self._bare(), None
        elif isinstance(error, TOO_LARGE):
            self._replace(errors.too_large(self._answer.task, self._envelope, len(record.value or b"")))
        elif self.elsewhere:
            reason = str(error) or type(error).__name__
            self._address = instead(self._replies, f"{record.topic!r} does not take the reply ({reason})")
            assert self._address.problem is not None
            self._replace(errors.undeliverable(self._answer.task, self._envelope, self._address.problem))
        else:
            return False
        return True

    def handed_over(self) -> None:
        if self._turn is not None:
            self._turn.handed_over()

    def delivered(self) -> None:
        self._span.end()
        if self._turn is not None:
            self._turn.confirmed()
        answer = self._answer
        code = "ok" if answer.status == "ok" else answer.error.code
        metrics.of(metrics.REPLIES, answer.task, code).inc()
        if self._letter is not None:
            metrics.of(metrics.DEAD_LETTERS, answer.task, code).inc()
        if answer.status == "ok":
            log.info(
                "answered",
                **self._ids,
                model=answer.model,
                finish_reason=answer.finish_reason,
                input_tokens=answer.usage.input_tokens,
                output_tokens=answer.usage.output_tokens,
                queue_ms=answer.timing.queue_ms,
                work_ms=answer.timing.work_ms,
            )
        else:
            kept = {"dead_letter": self._letter.topic} if self._letter is not None else {}
            log.info("answered with an error", **self._ids, code=code, reason=answer.error.message, **kept)

    @property
    def _ids(self) -> dict[str, str]:
        ids = {"task": self._answer.task, "request_id": self._answer.request_id}
        return ids | {"correlation_id": self._envelope.correlation_id} if self._envelope else ids

    def _replace(self, error: ErrorReply) -> None:
        assert self._envelope is not None
        self._answer = error
        self._record = self._whole(self._envelope)
        if self._turn is not None:
            self._turn.dropped()
            self._turn = None

    def _whole(self, envelope: Envelope) -> OutgoingRecord:
        value = self._answer.model_dump_json().encode()
        topic, partition = self._address.topic, self._address.partition
        return reply_record(
            envelope, self._answer.task, value, topic=topic, partition=partition, trace=self._trace, seq=self._seq
        )

    def _bare(self) -> OutgoingRecord:
        """An error that always fits: without the request's key and CloudEvent, and with the request's id instead of
        its own correlation where that is what is large."""
        echo = list(self._envelope.echo) if self._envelope else []
        if not echo or sum(len(value) for _, value in echo) > _MOST_ECHO:
            echo = [("correlation_id", self._answer.request_id.encode())]
        headers = [*echo, ("content-type", b"application/json")]
        return OutgoingRecord(self._replies, None, None, self._answer.model_dump_json().encode(), headers)


class Pieces:
    """Where the pieces of a streamed reply go, and the reply after them: all to one partition, in order.

    They are no part of a transaction: whoever waits for the reply sees them at once. Only the reply counts.
    """

    def __init__(self, addresses: Addresses, envelope: Envelope, address: Address, trace: dict[str, str]) -> None:
        self._addresses, self._envelope, self._trace = addresses, envelope, trace
        self.address = address

    async def send(self, piece: PartialReply) -> None:
        """Return once the broker has it. Raises `KafkaError`."""
        producer = self._addresses.producer
        assert producer is not None
        self.address = await self._addresses.pinned(self.address, self._envelope.key)
        value, topic, partition = piece.model_dump_json().encode(), self.address.topic, self.address.partition
        record = reply_record(
            self._envelope,
            piece.task,
            value,
            topic=topic,
            partition=partition,
            trace=self._trace,
            seq=piece.seq,
            final=False,
        )
        await (await send(producer, record))

"""The handler of one request: from its record to the outcome that the lane delivers."""

from dataclasses import dataclass, field

import structlog
from structlog.contextvars import bind_contextvars, reset_contextvars

from carteiro.kafka.topic_watch import TopicWatch
from carteiro.references.bucket import Bucket
from carteiro.wire.deferral import deferred_record
from carteiro.wire.envelope import Envelope, read_envelope
from carteiro.wire.event_format import EventUnreadable
from carteiro.wire.record import OutgoingRecord, Record, record_id
from carteiro.wire.reply import JSON_REPLIES, ReplyEncoder
from carteiro.wire.topics import Topics
from carteiro.worker.batch_api.deferral_policy import DeferRequest
from carteiro.worker.handling import error_replies as errors
from carteiro.worker.handling.dead_letters import DeadLetters
from carteiro.worker.handling.deferred_outcome import DeferredOutcome
from carteiro.worker.handling.partial_replies import PartialReplyPublisher
from carteiro.worker.handling.pipeline import HandlerResult, Pipeline
from carteiro.worker.handling.reply_outcome import ReplyOutcome
from carteiro.worker.handling.reply_router import ReplyAddress, ReplyRouter, fallback_address
from carteiro.worker.handling.request_reader import JsonRequestReader, ReplyUnwritable, RequestReader
from carteiro.worker.handling.result_storage import store_result
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.journal.store import JournalStore
from carteiro.worker.model_calls.budget import CostBudget, UsageMeter
from carteiro.worker.model_calls.deferred_request import DeferredRequest
from carteiro.worker.observability import metrics
from carteiro.worker.observability.logs import traceback_summary
from carteiro.worker.observability.tracing import inject_context, request_span, send_span
from carteiro.worker.reply_stream import ReplyStream

log = structlog.get_logger("carteiro.worker")


@dataclass(frozen=True, slots=True)
class RequestHandler:
    """Handler of the requests of one task.

    `group` is the consumer group. `default_reply_topic` and `deferred_topic` are the names of the task's own topics.
    """

    pipeline: Pipeline
    router: ReplyRouter
    budget: CostBudget
    group: str
    default_reply_topic: str
    deferred_topic: str
    topics: Topics
    dead_letters: DeadLetters
    deferred_topic_watch: TopicWatch | None = None
    """Check that `deferred_topic` exists; None if requests are not deferred."""
    reader: RequestReader = field(default_factory=JsonRequestReader)
    journals: JournalStore | None = None
    """Finished calls of unanswered requests; None if they are not kept."""
    reply_bucket: Bucket | None = None
    """Bucket of results that are too large for their topic; None if there is no such bucket."""

    @property
    def task(self) -> str:
        """The task's name."""
        return self.pipeline.task.name

    async def handle(self, record: Record, deferred: DeferredRequest | None = None) -> ReplyOutcome | DeferredOutcome:
        """Return the outcome of a request: its reply, or its deferral to the batch service.

        `deferred` is set in the batch service, whose requests have been deferred.
        Raise only `asyncio.CancelledError`: any other error becomes an error reply and a dead letter.
        """
        envelope, meter = None, UsageMeter(self.budget, self.task, record.key)
        encoder: ReplyEncoder = JSON_REPLIES
        try:
            envelope, encoder = await self.reader.read(record)
            return await self._handle(record, envelope, meter, deferred, encoder)
        except EventUnreadable as error:
            envelope = read_envelope(record)
            result = HandlerResult(errors.unreadable(self.task, envelope, str(error)))
            return await self._unserved(record, envelope, result, await self.reader.unread_encoder())
        except ReplyUnwritable as error:
            result = HandlerResult(errors.unwritable(self.task, error.envelope, error.reason))
            return await self._unserved(record, error.envelope, result, JSON_REPLIES)
        except Exception as error:  # noqa: BLE001  # it becomes a reply
            log.critical("a request cannot be served as it is", task=self.task, failure=traceback_summary(error))
            reply = errors.internal_error(self.task, record_id(record), meter)
            result = HandlerResult(reply, f"the service failed: {type(error).__name__}")
            return await self._unserved(record, envelope, result, encoder)

    async def handle_unparsed(self, record: Record) -> ReplyOutcome:
        """Return the outcome of a request that did not reach `handle`: FastStream or a middleware failed on it."""
        result = HandlerResult(errors.internal_error(self.task, record_id(record)), "the service could not read it")
        return await self._unserved(record, read_envelope(record), result, await self.reader.unread_encoder())

    async def reject_poison(self, record: Record, crashes: int) -> ReplyOutcome:
        """Return the outcome of a poison request, which ended its worker `crashes` times. It is not served again."""
        reason = f"the worker ended {crashes} times while it served the request"
        log.error("a request becomes a dead letter", task=self.task, request_id=record_id(record), reason=reason)
        result = HandlerResult(errors.worker_crashed(self.task, record_id(record), crashes), reason, tries=crashes)
        return await self._unserved(record, read_envelope(record), result, await self.reader.unread_encoder())

    async def _handle(
        self,
        record: Record,
        envelope: Envelope,
        meter: UsageMeter,
        deferred: DeferredRequest | None,
        encoder: ReplyEncoder,
    ) -> ReplyOutcome | DeferredOutcome:
        """Serve a request, with its ids in all log messages and in its span."""
        metrics.labelled(metrics.REQUESTS, self.task).inc()
        ids = {"task": self.task, "correlation_id": envelope.correlation_id, "request_id": envelope.request_id}
        bound = bind_contextvars(**ids)
        try:
            with (
                metrics.labelled(metrics.IN_FLIGHT, self.task).track_inprogress(),
                request_span(record, self.group, envelope.correlation_id, envelope.trace),
            ):
                return await self._run_task(record, envelope, meter, deferred, encoder)
        finally:
            reset_contextvars(**bound)

    async def _run_task(
        self,
        record: Record,
        envelope: Envelope,
        meter: UsageMeter,
        deferred: DeferredRequest | None,
        encoder: ReplyEncoder,
    ) -> ReplyOutcome | DeferredOutcome:
        address = await self._reply_address(envelope)
        topic_partition = (record.topic, record.partition)
        publisher = PartialReplyPublisher(self.router, envelope, address, inject_context(envelope.trace), encoder)
        journal = self._open_journal(record)
        try:
            async with ReplyStream(self.task, envelope.request_id, publisher.send) as stream:
                result = await self.pipeline.run(
                    envelope, topic_partition, address.problem, meter, stream, deferred, journal
                )
                await stream.end()
        except DeferRequest:
            return await self._deferred(record, envelope, address, encoder)
        if journal is not None:
            await journal.settle()
        span, trace = send_span(publisher.address.topic, envelope.trace)
        outcome = ReplyOutcome(
            result.reply,
            envelope,
            publisher.address,
            self.default_reply_topic,
            trace,
            self._dead_letter(record, result),
            seq=stream.next_seq,
            span=span,
            turn=result.turn,
            journal=journal,
            encoder=encoder,
            bucket=self.reply_bucket,
        )
        return await self._store_if_too_large(outcome, result)

    async def _store_if_too_large(self, outcome: ReplyOutcome, result: HandlerResult) -> ReplyOutcome:
        """Store a result that is certainly too large for its topic. A topic that takes less rejects it later."""
        if self.reply_bucket is None or result.reply.status == "error":
            return outcome
        producer = self.router.producer
        assert producer is not None
        return outcome if producer.can_send(outcome.record) else await store_result(outcome, result.deadline)

    async def _deferred(
        self, record: Record, envelope: Envelope, address: ReplyAddress, encoder: ReplyEncoder
    ) -> DeferredOutcome | ReplyOutcome:
        deferred = deferred_record(record, self.deferred_topic)
        outcome = DeferredOutcome(deferred, self.task, envelope, address, self.default_reply_topic, encoder)
        watch = self.deferred_topic_watch
        if watch is not None and (problem := await watch.wait_for_check()) is not None:
            return outcome.refused(problem)
        return outcome

    async def _unserved(
        self, record: Record, envelope: Envelope | None, result: HandlerResult, encoder: ReplyEncoder
    ) -> ReplyOutcome:
        """Return the outcome of a request that the pipeline did not serve."""
        address = await self._reply_address(envelope) if envelope else ReplyAddress(self.default_reply_topic)
        dead_letter = self._dead_letter(record, result)
        return ReplyOutcome(
            result.reply,
            envelope,
            address,
            self.default_reply_topic,
            dead_letter=dead_letter,
            journal=self._open_journal(record),
            encoder=encoder,
        )

    def _open_journal(self, record: Record) -> RequestJournal | None:
        return self.journals.open(record) if self.journals is not None else None

    def _dead_letter(self, record: Record, result: HandlerResult) -> OutgoingRecord | None:
        if result.dead_letter_reason is None:
            return None
        code = result.reply.error.code if result.reply.status == "error" else "internal"
        return self.dead_letters.build(record, code, result.dead_letter_reason, result.tries)

    async def _reply_address(self, envelope: Envelope) -> ReplyAddress:
        if envelope.reply_topic is not None and self.topics.is_reserved(envelope.reply_topic):
            return fallback_address(self.default_reply_topic, f"{envelope.reply_topic!r} is not a topic for replies")
        return await self.router.resolve(envelope, self.default_reply_topic)

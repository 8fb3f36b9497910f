"""One request, from its record to the reply that is to be delivered."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog
from structlog.contextvars import bound_contextvars

from carteiro.wire.dead_letter import dead_letter
from carteiro.wire.envelope import Envelope, read_envelope
from carteiro.wire.record import OutgoingRecord, Record, place
from carteiro.worker import error_replies as errors
from carteiro.worker.answering import Answer, Answerer
from carteiro.worker.asking.spending import Bill, Spending
from carteiro.worker.kafka.addressing import Address, Addresses
from carteiro.worker.observing import metrics
from carteiro.worker.observing.tracing import carried, request_span, sending_span
from carteiro.worker.replying import Pieces, Reply
from carteiro.worker.streaming import Stream
from carteiro.worker.waiting.aside import CanWait
from carteiro.worker.waiting.handing_over import HandedOver

log = structlog.get_logger("carteiro.worker")


@dataclass(frozen=True, slots=True)
class Server:
    """Serves the requests of one task. `replies`, `dead` and `waiting` are its topics."""

    answerer: Answerer
    addresses: Addresses
    spending: Spending
    group: str
    replies: str
    dead: str
    waiting: str

    @property
    def task(self) -> str:
        """The task's name."""
        return self.answerer.task.name

    async def serve(self, record: Record) -> Reply | HandedOver:
        """Answer a request. Raises nothing but cancellation: whatever a record holds, there is a reply to it."""
        envelope = None
        try:
            envelope = read_envelope(record)
            return await self._serve(record, envelope)
        except Exception as error:
            log.critical("a request cannot be served as it is", task=self.task, exc_info=True)
            reply = errors.internal(self.task, place(record))
            return await self._given_up(record, envelope, reply, f"the service failed: {type(error).__name__}", tries=0)

    async def lost(self, record: Record) -> Reply:
        """The reply to a request that never came here: FastStream, or a middleware, stumbled over it."""
        reply = errors.internal(self.task, place(record))
        return await self._given_up(record, read_envelope(record), reply, "the service could not read it", tries=0)

    async def condemn(self, record: Record, deaths: int) -> Reply:
        """The reply to a request that has ended its worker so many times. It is not served again."""
        reason = f"the worker ended {deaths} times while it served the request"
        log.error("a request is given up", task=self.task, request_id=place(record), reason=reason)
        reply = errors.killed_its_worker(self.task, place(record), deaths)
        return await self._given_up(record, read_envelope(record), reply, reason, tries=deaths)

    async def _serve(self, record: Record, envelope: Envelope) -> Reply | HandedOver:
        ids = {"task": self.task, "correlation_id": envelope.correlation_id, "request_id": envelope.request_id}
        metrics.of(metrics.REQUESTS, self.task).inc()
        with (
            bound_contextvars(**ids),
            metrics.of(metrics.IN_FLIGHT, self.task).track_inprogress(),
            request_span(record, self.group, envelope.correlation_id, envelope.trace),
        ):
            address = await self.addresses.find(envelope, self.replies)
            lane = (record.topic, record.partition)
            bill = Bill(self.spending, self.task, record.key)
            pieces = Pieces(self.addresses, envelope, address, carried(envelope.trace))
            try:
                async with Stream(self.task, envelope.request_id, pieces.send) as stream:
                    answered = await self.answerer.answer(envelope, lane, address.problem, bill, stream)
                    await stream.end()
            except CanWait:
                return HandedOver(record, self.waiting, self.task, partial(self._cannot_wait, envelope, address))
            letter = None
            if answered.given_up is not None:
                letter = self._letter(record, answered.reply, answered.given_up, answered.tries)
            span, trace = sending_span(pieces.address.topic, envelope.trace)
            return Reply(
                answered.reply,
                envelope,
                pieces.address,
                self.replies,
                trace,
                letter,
                seq=stream.next_seq,
                span=span,
                turn=answered.turn,
            )

    def _cannot_wait(self, envelope: Envelope, address: Address, reason: str) -> Reply:
        return Reply(errors.cannot_wait(self.task, envelope, reason), envelope, address, self.replies, {}, None)

    async def _given_up(
        self, record: Record, envelope: Envelope | None, reply: Answer, reason: str, tries: int
    ) -> Reply:
        address = await self.addresses.find(envelope, self.replies) if envelope else Address(self.replies)
        letter = self._letter(record, reply, reason, tries)
        return Reply(reply, envelope, address, self.replies, {}, letter)

    def _letter(self, record: Record, reply: Answer, reason: str, tries: int) -> OutgoingRecord:
        code = reply.error.code if reply.status == "error" else "internal"
        now = datetime.now(UTC)
        return dead_letter(record, self.dead, group=self.group, reason=reason, code=code, tries=tries, at=now)

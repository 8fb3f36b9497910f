"""From a request to its one reply. Knows nothing of Kafka's clients; never raises."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from carteiro.models.failures import InvalidOutput, Misconfigured, ModelFailure, Unavailable
from carteiro.schemas import ErrorReply, FieldError, OkReply, Request, Timing
from carteiro.wire.envelope import Envelope
from carteiro.worker import error_replies as errors
from carteiro.worker.asking.chain import Attempts, Chain
from carteiro.worker.asking.spending import Bill
from carteiro.worker.conversing.conversations import Conversations
from carteiro.worker.conversing.new_turn import NewTurn
from carteiro.worker.intake import Rejected, read_request, rejection
from carteiro.worker.observing import metrics
from carteiro.worker.remembering.caching import Cache
from carteiro.worker.remembering.repeats import KeyReused, Repeats
from carteiro.worker.streaming import Stream
from carteiro.worker.task import Done, Task
from carteiro.worker.waiting.aside import Aside, CanWait

log = structlog.get_logger("carteiro.worker")

Answer = OkReply[Any] | ErrorReply
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answered:
    """A request's reply. `given_up` says why it is also kept as a dead letter, where it is, and `tries` after how
    many calls of a model.
    """

    reply: Answer
    given_up: str | None = None
    tries: int = 0
    turn: NewTurn | None = None
    """What a conversation that is kept has to do with it."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers the requests of one task by a chain of models."""

    task: Task[Any, Any]
    chain: Chain
    repeats: Repeats
    cache: Cache
    conversations: Conversations | None = None
    aside: Aside | None = None
    """Which requests are to be set aside; None where none are."""

    async def answer(
        self, envelope: Envelope, lane: tuple[str, int], undeliverable: FieldError | None, bill: Bill, stream: Stream
    ) -> Answered:
        """Answer one request, from a topic and partition.

        `undeliverable` says why its reply cannot go where it asks, if it cannot: no model is called for such a one.

        Whatever goes wrong becomes an error reply; only cancellation passes through. Raises `CanWait` where the
        request is to be set aside.
        """
        work = _Work(self, envelope, lane, bill)
        try:
            request = read_request(self.task.request, envelope)
            if undeliverable:
                raise rejection(undeliverable)
            return await work.answer(request, stream)
        except CanWait:
            raise
        except Exception as error:  # noqa: BLE001  # it becomes a reply
            return _failed(self.task.name, envelope, error, bill, work.attempts)


class _Work:
    """One request while it is answered."""

    def __init__(self, by: Answerer, envelope: Envelope, lane: tuple[str, int], bill: Bill) -> None:
        self._by, self._envelope, self._lane, self._bill = by, envelope, lane, bill
        self._began = time.monotonic()
        self._queued = max((datetime.now(UTC) - envelope.asked_at).total_seconds(), 0.0)
        if not by.chain.waits:
            metrics.of(metrics.QUEUE_SECONDS, by.task.name).observe(self._queued)
        self.attempts = Attempts(by.chain, bill)
        self._turn: NewTurn | None = None

    async def answer(self, request: Request[Any], stream: Stream) -> Answered:
        by, key = self._by, self._envelope.idempotency_key
        chosen = _chosen(request, by.chain)
        deadline = _deadline(request, self._envelope)
        if by.aside is not None and by.aside.takes(request, deadline, chosen):
            raise CanWait
        streamed = stream if by.task.streams and request.options.stream else None
        self.attempts = Attempts(chosen, self._bill, streamed, deadline)
        work = partial(self._in_conversation, request, chosen.names)
        if key is None:
            return Answered(await _within_deadline(work, deadline), turn=self._turn)
        once = partial(by.repeats.once, (*self._lane, key), self._envelope.body, work)
        reply, repeated = await _within_deadline(once, deadline)
        if repeated:
            metrics.of(metrics.REPEATED, by.task.name).inc()
        return Answered(self._own(reply) if repeated else reply, turn=self._turn)

    async def _in_conversation(self, request: Any, models: list[str]) -> OkReply[Any]:
        """The reply, by which a conversation that is kept goes on."""
        conversations = self._by.conversations
        if conversations is None or request.conversation_id is None:
            return await self._cached_or_new(request, models)
        self._turn = await conversations.begin(request, self._envelope, self._lane[1], self._by.task.run)
        reply = await self._cached_or_new(self._turn.whole, models)
        self._turn.answered(reply.result.message)
        return reply

    async def _cached_or_new(self, asked: Request[Any], models: list[str]) -> OkReply[Any]:
        new = partial(self._new, asked)
        if not asked.options.cache:
            return await new()
        reply, cached = await self._by.cache.through(asked, models, new)
        metrics.of(metrics.CACHE, self._by.task.name, "hit" if cached else "miss").inc()
        return self._own(reply) if cached else reply

    async def _new(self, asked: Request[Any]) -> OkReply[Any]:
        task = self._by.task
        done = await self.attempts.run(self._turn.run if self._turn else partial(task.run, asked))
        _check_serializable(done)
        timing, model = self._timing(), self.attempts.model
        if not self._by.chain.waits:
            metrics.of(metrics.WORK_SECONDS, task.name, model.name).observe(time.monotonic() - self._began)
        if not self.attempts.billed:
            self._bill.add(model.name, done.usage)
        return _ok_reply(task.request.result)(
            task=task.name,
            request_id=self._envelope.request_id,
            result=done.result,
            model=model.name,
            finish_reason=done.finish_reason,
            usage=self._bill.usage,
            timing=timing,
        )

    def _own(self, reply: OkReply[Any]) -> OkReply[Any]:
        """A reply that another request was given, as this one's."""
        return reply.model_copy(update={"request_id": self._envelope.request_id, "timing": self._timing()})

    def _timing(self) -> Timing:
        worked = time.monotonic() - self._began
        return Timing(queue_ms=round(self._queued * 1000), work_ms=round(worked * 1000))


def _failed(task: str, envelope: Envelope, error: Exception, bill: Bill, attempts: Attempts) -> Answered:
    match error:
        case Rejected():
            return Answered(errors.reply(task, envelope, error.error, bill))
        case KeyReused():
            problem = FieldError(field="header idempotency_key", reason="came with another request before")
            return Answered(errors.reply(task, envelope, rejection(problem).error))
        case ModelFailure():
            log.warning("the model failed", model=attempts.model.name, code=error.code, reason=error.message)
            reply = errors.reply(task, envelope, errors.of_model(error), bill)
            given_up = error.message if isinstance(error, Unavailable | Misconfigured) else None
            return Answered(reply, given_up, max(attempts.tries, 1))
    # Not the caller's fault and not one we foresaw: the log has it whole, the reply names no internals.
    log.error("the task failed", model=attempts.model.name, exc_info=error)
    given_up = f"the service failed: {type(error).__name__}"
    return Answered(errors.internal(task, envelope.request_id), given_up, max(attempts.tries, 1))


@cache
def _ok_reply(result: type[BaseModel]) -> type[OkReply[Any]]:
    # Looking up a generic model takes pydantic a while, for each request.
    return OkReply[result]  # type: ignore[valid-type]


def _chosen(request: Request[Any], chain: Chain) -> Chain:
    wanted = request.options.model
    if wanted is None:
        return chain
    if (only := chain.only(wanted)) is None:
        reason = f"is not served here; this service answers with {' or '.join(chain.names)}"
        raise rejection(FieldError(field="options.model", reason=reason))
    return only


def _deadline(request: Request[Any], envelope: Envelope) -> datetime | None:
    if (patience := request.options.patience) is None:
        return envelope.deadline
    promised = envelope.asked_at + patience
    return min(promised, envelope.deadline) if envelope.deadline else promised


def _check_serializable(done: Done[Any]) -> None:
    try:
        done.result.model_dump_json()
    except PydanticSerializationError:
        raise InvalidOutput("the model's completion holds text that JSON in UTF-8 cannot carry") from None


async def _within_deadline(work: Callable[[], Awaitable[T]], deadline: datetime | None) -> T:
    if deadline is None:
        return await work()
    left = (deadline - datetime.now(UTC)).total_seconds()
    if left <= 0:
        raise Rejected(
            "expired", f"the deadline, {deadline.isoformat()}, passed before a worker began; no model was called"
        )
    scope = asyncio.timeout(left)
    try:
        async with scope:
            return await work()
    except TimeoutError:
        if not scope.expired():
            raise
        raise Rejected("expired", f"the deadline, {deadline.isoformat()}, passed while the model was at work") from None

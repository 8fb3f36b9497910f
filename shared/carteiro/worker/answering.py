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
from carteiro.schemas import ErrorCode, ErrorDetail, ErrorReply, FieldError, OkReply, Request, Timing, Usage
from carteiro.wire.envelope import Envelope
from carteiro.worker import metrics
from carteiro.worker.caching import Cache
from carteiro.worker.chain import Attempts, Chain
from carteiro.worker.conversations import Conversations
from carteiro.worker.intake import Rejected, read_request, rejection
from carteiro.worker.new_turn import NewTurn
from carteiro.worker.repeats import KeyReused, Repeats
from carteiro.worker.spending import Bill
from carteiro.worker.streaming import Stream
from carteiro.worker.task import Done, Task
from carteiro.worker.waiting.aside import Aside, CanWait

log = structlog.get_logger("carteiro.worker")

Answer = OkReply[Any] | ErrorReply
T = TypeVar("T")

_LONGEST_MESSAGE = 1000
"""A model's failure may quote the request, which can be of any length."""


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


async def answer(
    task: Task[Any, Any],
    chain: Chain,
    envelope: Envelope,
    lane: tuple[str, int],
    undeliverable: FieldError | None,
    repeats: Repeats,
    cache: Cache,
    bill: Bill,
    stream: Stream,
    conversations: Conversations | None = None,
    aside: Aside | None = None,
) -> Answered:
    """Serve one request, from a topic and partition, by a model of a chain.

    `undeliverable` says why its reply cannot go where it asks, if it cannot: no model is called for such a one.

    Whatever goes wrong becomes an error reply; only cancellation passes through. Raises `CanWait` where the request is
    to be set aside.
    """
    began_at, began = datetime.now(UTC), time.monotonic()
    queued = max((began_at - envelope.asked_at).total_seconds(), 0.0)
    if not chain.waits:
        metrics.of(metrics.QUEUE_SECONDS, task.name).observe(queued)
    attempts = Attempts(chain, bill)
    try:
        request = read_request(task.request, envelope)
        if undeliverable:
            raise rejection(undeliverable)
        chosen = _chosen(request, chain)
        deadline = _deadline(request, envelope)
        if aside is not None and aside.takes(request, deadline, chosen):
            raise CanWait
        attempts = Attempts(chosen, bill, stream if task.streams and request.options.stream else None, deadline)
        turn: NewTurn | None = None

        def timing(worked: float) -> Timing:
            return Timing(queue_ms=round(queued * 1000), work_ms=round(worked * 1000))

        async def work() -> OkReply[Any]:
            done = await attempts.run(turn.run if turn else partial(task.run, request))
            _check_serializable(done)
            worked, model = time.monotonic() - began, attempts.model
            if not chain.waits:
                metrics.of(metrics.WORK_SECONDS, task.name, model.name).observe(worked)
            if not attempts.billed:
                bill.add(model.name, done.usage)
            return _ok_reply(task.request.result)(
                task=task.name,
                request_id=envelope.request_id,
                result=done.result,
                model=model.name,
                finish_reason=done.finish_reason,
                usage=bill.usage,
                timing=timing(worked),
            )

        def own(reply: OkReply[Any]) -> OkReply[Any]:
            mine = {"request_id": envelope.request_id, "timing": timing(time.monotonic() - began)}
            return reply.model_copy(update=mine)

        async def work_or_recall() -> OkReply[Any]:
            nonlocal turn
            if conversations is not None and request.conversation_id is not None:
                turn = await conversations.begin(request, envelope, lane[1], task.run)
            reply = await work_or_take(turn.whole if turn else request)
            if turn is not None:
                turn.answered(reply.result.message)
            return reply

        async def work_or_take(asked: Request[Any]) -> OkReply[Any]:
            if not asked.options.cache:
                return await work()
            reply, cached = await cache.through(asked, chosen.names, work)
            metrics.of(metrics.CACHE, task.name, "hit" if cached else "miss").inc()
            return own(reply) if cached else reply

        if envelope.idempotency_key is None:
            return Answered(await _within_deadline(work_or_recall, deadline), turn=turn)
        once = partial(repeats.once, (*lane, envelope.idempotency_key), envelope.body, work_or_recall)
        reply, repeated = await _within_deadline(once, deadline)
        if repeated:
            metrics.of(metrics.REPEATED, task.name).inc()
        return Answered(own(reply) if repeated else reply, turn=turn)
    except CanWait:
        raise
    except Exception as error:  # noqa: BLE001  # it becomes a reply
        return _failed(task.name, envelope, error, bill, attempts)


def _failed(task: str, envelope: Envelope, error: Exception, bill: Bill, attempts: Attempts) -> Answered:
    match error:
        case Rejected():
            return Answered(_error_reply(task, envelope, error.error, bill))
        case KeyReused():
            problem = FieldError(field="header idempotency_key", reason="came with another request before")
            return Answered(_error_reply(task, envelope, rejection(problem).error))
        case ModelFailure():
            log.warning("the model failed", model=attempts.model.name, code=error.code, reason=error.message)
            detail = _detail(error.code, error.message, retryable=error.retryable)
            given_up = error.message if isinstance(error, Unavailable | Misconfigured) else None
            return Answered(_error_reply(task, envelope, detail, bill), given_up, max(attempts.tries, 1))
    # Not the caller's fault and not one we foresaw: the log has it whole, the reply names no internals.
    log.error("the task failed", model=attempts.model.name, exc_info=error)
    given_up = f"the service failed: {type(error).__name__}"
    return Answered(internal_error(task, envelope.request_id), given_up, max(attempts.tries, 1))


@cache
def _ok_reply(result: type[BaseModel]) -> type[OkReply[Any]]:
    # Looking up a generic model takes pydantic a while, for each request.
    return OkReply[result]  # type: ignore[valid-type]


def internal_error(task: str, request_id: str) -> ErrorReply:
    """The reply to a request that the service itself stumbled over."""
    message = f"the {task} service failed; its log has request {request_id}"
    return ErrorReply(task=task, request_id=request_id, error=_detail("internal", message, retryable=True))


def killed_its_worker(task: str, request_id: str, deaths: int) -> ErrorReply:
    """The reply to a request whose worker has died of it, as far as can be told."""
    message = f"the {task} service ended {deaths} times while it served request {request_id}; it is not tried again"
    return ErrorReply(task=task, request_id=request_id, error=_detail("internal", message))


def too_large(task: str, envelope: Envelope, size: int) -> ErrorReply:
    """The reply that stands in for one that the broker does not take."""
    message = f"the reply has {size:,} bytes, more than the reply topic takes"
    return _error_reply(task, envelope, _detail("too_large", message))


def cannot_wait(task: str, envelope: Envelope, reason: str) -> ErrorReply:
    """The reply to a request that the topic of waiting ones does not take."""
    message = f"the request cannot be kept until it is done ({reason}); without wait it is served at once"
    return _error_reply(task, envelope, _detail("unsupported", message))


def not_kept(task: str, envelope: Envelope, *, too_large: bool) -> ErrorReply:
    """The reply that stands in for one whose conversation is not taken by its topic."""
    if too_large:
        message = "the conversation cannot be kept: this turn alone is larger than a record of its topic may be"
        return _error_reply(task, envelope, _detail("too_large", message))
    message = "the conversation cannot be kept: its topic does not take it, the service's log says why"
    return _error_reply(task, envelope, _detail("unsupported", message))


def undeliverable_reply(task: str, envelope: Envelope, problem: FieldError) -> ErrorReply:
    """The reply, on the task's own topic, that stands in for one that its caller's topic does not take."""
    return _error_reply(task, envelope, rejection(problem).error)


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


def _detail(code: ErrorCode, message: str, *, retryable: bool = False) -> ErrorDetail:
    return ErrorDetail(code=code, message=message[:_LONGEST_MESSAGE], retryable=retryable)


def _error_reply(task: str, envelope: Envelope, detail: ErrorDetail, bill: Bill | None = None) -> ErrorReply:
    paid = bill.usage if bill is not None and bill.usage != Usage() else None
    return ErrorReply(task=task, request_id=envelope.request_id, error=detail, usage=paid)

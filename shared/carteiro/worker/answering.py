"""From a request to its one reply. Knows nothing of Kafka's clients; never raises."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic_core import PydanticSerializationError

from carteiro.models.failures import InvalidOutput, ModelFailure
from carteiro.models.interface import Model
from carteiro.schemas import ErrorCode, ErrorDetail, ErrorReply, FieldError, OkReply, Request, Timing
from carteiro.wire.envelope import Envelope
from carteiro.worker import metrics
from carteiro.worker.intake import Rejected, read_request
from carteiro.worker.task import Done, Task

log = structlog.get_logger("carteiro.worker")

Answer = OkReply[Any] | ErrorReply

_LONGEST_MESSAGE = 1000
"""A model's failure may quote the request, which can be of any length."""


async def answer(task: Task[Any, Any], model: Model, envelope: Envelope, undeliverable: FieldError | None) -> Answer:
    """Serve one request. `undeliverable` says why its reply cannot go where it asks, if it cannot: no model is
    called for such a one.

    Whatever goes wrong becomes an error reply; only cancellation passes through.
    """
    began_at, began = datetime.now(UTC), time.monotonic()
    queued = max((began_at - envelope.asked_at).total_seconds(), 0.0)
    metrics.QUEUE_SECONDS.labels(task.name).observe(queued)
    try:
        request = read_request(task.request, envelope)
        if undeliverable:
            raise _rejection(undeliverable)
        _check_model(request, model)
        done = await _within_deadline(task, request, model, envelope.deadline)
        _check_serializable(done)
    except Rejected as rejected:
        return _error_reply(task.name, envelope, rejected.error)
    except ModelFailure as failure:
        log.warning("the model failed", model=model.name, code=failure.code, reason=failure.message)
        return _error_reply(task.name, envelope, _detail(failure.code, failure.message, retryable=failure.retryable))
    except Exception:
        # Not the caller's fault and not one we foresaw: the log has it whole, the reply names no internals.
        log.exception("the task failed", model=model.name)
        return internal_error(task.name, envelope.request_id)
    worked = time.monotonic() - began
    metrics.WORK_SECONDS.labels(task.name, model.name).observe(worked)
    metrics.TOKENS.labels(task.name, model.name, "input").inc(done.usage.input_tokens)
    metrics.TOKENS.labels(task.name, model.name, "output").inc(done.usage.output_tokens)
    return OkReply[task.request.result](  # type: ignore[name-defined]
        task=task.name,
        request_id=envelope.request_id,
        result=done.result,
        model=model.name,
        finish_reason=done.finish_reason,
        usage=done.usage,
        timing=Timing(queue_ms=round(queued * 1000), work_ms=round(worked * 1000)),
    )


def internal_error(task: str, request_id: str) -> ErrorReply:
    """The reply to a request that the service itself stumbled over."""
    message = f"the {task} service failed; its log has request {request_id}"
    return ErrorReply(task=task, request_id=request_id, error=_detail("internal", message, retryable=True))


def too_large(task: str, envelope: Envelope, size: int) -> ErrorReply:
    """The reply that stands in for one that the broker does not take."""
    message = f"the reply has {size:,} bytes, more than the reply topic takes"
    return _error_reply(task, envelope, _detail("too_large", message))


def undeliverable_reply(task: str, envelope: Envelope, problem: FieldError) -> ErrorReply:
    """The reply, on the task's own topic, that stands in for one that its caller's topic does not take."""
    return _error_reply(task, envelope, _rejection(problem).error)


def _check_model(request: Request[Any], model: Model) -> None:
    wanted = request.options.model
    if wanted is not None and wanted not in (model.name, model.name.partition(":")[2]):
        reason = f"is not served here; this service answers with {model.name}"
        raise _rejection(FieldError(field="options.model", reason=reason))


def _check_serializable(done: Done[Any]) -> None:
    try:
        done.result.model_dump_json()
    except PydanticSerializationError:
        raise InvalidOutput("the model's completion holds text that JSON in UTF-8 cannot carry") from None


async def _within_deadline(
    task: Task[Any, Any], request: Request[Any], model: Model, deadline: datetime | None
) -> Done[Any]:
    if deadline is None:
        return await task.run(request, model)
    left = (deadline - datetime.now(UTC)).total_seconds()
    if left <= 0:
        raise Rejected(
            "expired", f"the deadline, {deadline.isoformat()}, passed before a worker began; no model was called"
        )
    scope = asyncio.timeout(left)
    try:
        async with scope:
            return await task.run(request, model)
    except TimeoutError:
        if not scope.expired():
            raise
        raise Rejected("expired", f"the deadline, {deadline.isoformat()}, passed while the model was at work") from None


def _detail(code: ErrorCode, message: str, *, retryable: bool = False) -> ErrorDetail:
    return ErrorDetail(code=code, message=message[:_LONGEST_MESSAGE], retryable=retryable)


def _rejection(problem: FieldError) -> Rejected:
    return Rejected("invalid_request", f"{problem.field}: {problem.reason}", [problem])


def _error_reply(task: str, envelope: Envelope, detail: ErrorDetail) -> ErrorReply:
    return ErrorReply(task=task, request_id=envelope.request_id, error=detail)

"""The error replies of a worker, each with its code."""

from carteiro.models.errors import ModelError
from carteiro.schemas import ErrorCode, ErrorDetail, ErrorReply, FieldError, Usage
from carteiro.wire.envelope import Envelope
from carteiro.worker.model_calls.budget import UsageMeter
from carteiro.worker.parsing import invalid_field

_MAX_MESSAGE_CHARS = 1000
"""Longest message of an error reply, in characters. A model's error may quote the request, which has any length."""


def error_reply(task: str, envelope: Envelope, detail: ErrorDetail, meter: UsageMeter | None = None) -> ErrorReply:
    """Return the error reply with this detail. Its usage is what the failed request has cost so far."""
    return _build_reply(task, envelope, detail, meter.usage if meter is not None else None)


def model_error_detail(failure: ModelError) -> ErrorDetail:
    """Return the error detail that the caller gets for a model's error."""
    return _detail(failure.code, failure.message, retryable=failure.retryable)


def internal_error(task: str, request_id: str, meter: UsageMeter | None = None) -> ErrorReply:
    """Return the reply to a request that failed by a fault of the service."""
    message = f"the {task} service failed; its log has request {request_id}"
    detail = _detail("internal", message, retryable=True)
    usage = meter.usage if meter is not None else None
    return ErrorReply(task=task, request_id=request_id, error=detail, usage=_paid_usage(usage))


def unreadable(task: str, envelope: Envelope, reason: str) -> ErrorReply:
    """Return the reply to a request that cannot be read by its schema."""
    return error_reply(task, envelope, _detail("unreadable", f"value: {reason}"))


def unwritable(task: str, envelope: Envelope, reason: str) -> ErrorReply:
    """Return the reply, in JSON, to a request whose reply cannot be written in its format."""
    return error_reply(task, envelope, _detail("unsupported", f"the reply cannot be written: {reason}"))


def worker_crashed(task: str, request_id: str, crashes: int) -> ErrorReply:
    """Return the reply to a poison request: `crashes` times a worker process ended while it served the request."""
    message = f"the {task} service ended {crashes} times while it served request {request_id}; it is not tried again"
    return ErrorReply(task=task, request_id=request_id, error=_detail("internal", message))


def too_large(task: str, envelope: Envelope, size: int, usage: Usage | None) -> ErrorReply:
    """Return the reply that replaces a reply of `size` bytes, which the broker rejects as too large.

    `usage` is that of the replaced reply.
    """
    message = f"the reply has {size:,} bytes, more than the reply topic takes"
    return _build_reply(task, envelope, _detail("too_large", message), usage)


def not_deferrable(task: str, envelope: Envelope, reason: str) -> ErrorReply:
    """Return the reply to a request that cannot be written to the topic of deferred requests."""
    message = f"the request cannot be deferred ({reason}); without options.wait it is served at once"
    return error_reply(task, envelope, _detail("unsupported", message))


def conversation_not_stored(task: str, envelope: Envelope, usage: Usage | None, *, too_large: bool) -> ErrorReply:
    """Return the reply that replaces a reply whose conversation cannot be written to its topic.

    `usage` is that of the replaced reply.
    """
    if too_large:
        message = "the conversation cannot be stored: this turn is larger than its topic's largest record"
        return _build_reply(task, envelope, _detail("too_large", message), usage)
    message = "the conversation cannot be stored: its topic rejects it; the service's log has the reason"
    return _build_reply(task, envelope, _detail("unsupported", message), usage)


def undeliverable(task: str, envelope: Envelope, problem: FieldError, usage: Usage | None) -> ErrorReply:
    """Return the reply, on the task's own topic, that replaces a reply that the caller's topic rejects.

    `usage` is that of the replaced reply.
    """
    return _build_reply(task, envelope, invalid_field(problem).error, usage)


def _build_reply(task: str, envelope: Envelope, detail: ErrorDetail, usage: Usage | None) -> ErrorReply:
    return ErrorReply(task=task, request_id=envelope.request_id, error=detail, usage=_paid_usage(usage))


def _paid_usage(usage: Usage | None) -> Usage | None:
    return usage if usage != Usage() else None


def _detail(code: ErrorCode, message: str, *, retryable: bool = False) -> ErrorDetail:
    return ErrorDetail(code=code, message=message[:_MAX_MESSAGE_CHARS], retryable=retryable)

"""The error replies of a worker, each with its code."""

from carteiro.models.failures import ModelFailure
from carteiro.schemas import ErrorCode, ErrorDetail, ErrorReply, FieldError, Usage
from carteiro.wire.envelope import Envelope
from carteiro.worker.asking.spending import Bill
from carteiro.worker.intake import rejection

_LONGEST_MESSAGE = 1000
"""A model's failure may quote the request, which can be of any length."""


def reply(task: str, envelope: Envelope, detail: ErrorDetail, bill: Bill | None = None) -> ErrorReply:
    """The reply with that error, and with what was paid for it all the same."""
    paid = bill.usage if bill is not None and bill.usage != Usage() else None
    return ErrorReply(task=task, request_id=envelope.request_id, error=detail, usage=paid)


def of_model(failure: ModelFailure) -> ErrorDetail:
    """What a model's failure is to the caller."""
    return _detail(failure.code, failure.message, retryable=failure.retryable)


def internal(task: str, request_id: str) -> ErrorReply:
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
    return reply(task, envelope, _detail("too_large", message))


def cannot_wait(task: str, envelope: Envelope, reason: str) -> ErrorReply:
    """The reply to a request that the topic of waiting ones does not take."""
    message = f"the request cannot be kept until it is done ({reason}); without wait it is served at once"
    return reply(task, envelope, _detail("unsupported", message))


def not_kept(task: str, envelope: Envelope, *, too_large: bool) -> ErrorReply:
    """The reply that stands in for one whose conversation is not taken by its topic."""
    if too_large:
        message = "the conversation cannot be kept: this turn alone is larger than a record of its topic may be"
        return reply(task, envelope, _detail("too_large", message))
    message = "the conversation cannot be kept: its topic does not take it, the service's log says why"
    return reply(task, envelope, _detail("unsupported", message))


def undeliverable(task: str, envelope: Envelope, problem: FieldError) -> ErrorReply:
    """The reply, on the task's own topic, that stands in for one that its caller's topic does not take."""
    return reply(task, envelope, rejection(problem).error)


def _detail(code: ErrorCode, message: str, *, retryable: bool = False) -> ErrorDetail:
    return ErrorDetail(code=code, message=message[:_LONGEST_MESSAGE], retryable=retryable)

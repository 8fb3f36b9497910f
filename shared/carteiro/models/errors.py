"""Errors of model calls. Each has the error code for the caller, and says if a retry may help."""

from collections.abc import Mapping

from carteiro.schemas import ErrorCode, Usage


class ModelError(Exception):
    """A model call gave no result. The message is for the caller: it names no secret and no prompt."""

    code: ErrorCode = "internal"
    retryable = False
    usage: Usage | None = None
    """Tokens that the call used all the same; None if nothing was used, or nothing is known."""

    def __init__(self, message: str, option: str | None = None) -> None:
        """`option` is the field of the request's body that the refusal is about, such as `seed`, if it is known."""
        super().__init__(message)
        self.message = message
        self.option = option


class PromptTooLarge(ModelError):
    """The prompt does not fit the model's context.

    `option` is the limit of output tokens if the prompt fits without it.
    """

    code = "too_large"


class Unsupported(ModelError):
    """The model does not support a part of the request, now or later."""

    code: ErrorCode = "unsupported"


class Unaffordable(Unsupported):
    """The account cannot pay for a request of this size, or a gateway's budget for its user is used up.

    Other requests may be answered.
    """

    code = "over_budget"


class InvalidPrompt(ModelError):
    """The model rejects the prompt as malformed: an option is out of its range, or it cannot follow a schema."""

    code = "invalid_request"


class Refused(ModelError):
    """The model declined to answer."""

    code = "model_refused"


class ContentFiltered(ModelError):
    """The provider's content filter stopped the prompt or the completion."""

    code = "content_filtered"


class InvalidOutput(ModelError):
    """The completion does not have the requested form.

    `detail` is for the next attempt of the model. It may quote the completion, so it is in no log and no reply.
    """

    code = "invalid_output"

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class RateLimited(ModelError):
    """The provider accepts no more calls for now. `retry_after` is the requested wait in seconds, if the provider gives
    one.

    `headers` are the headers of its refusal, which may hold the limits; their names are in lower case.
    """

    code = "rate_limited"
    retryable = True

    def __init__(
        self, message: str, retry_after: float | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.headers = headers or {}


class QuotaExhausted(RateLimited):
    """The paid quota is used up: only a payment helps, and waiting does not."""

    retryable = False


class Unavailable(ModelError):
    """The model cannot be reached, failed, or took too long; later it may work."""

    code = "model_unavailable"
    retryable = True
    has_answered = False
    """True if the model answered, but with something that is not a completion."""


class TierUnavailable(Unavailable):
    """The provider has no capacity for a call in its service tier now. It may have some in another tier."""


class Misconfigured(ModelError):
    """The provider rejects the service: a wrong key, no permission, no such model. An operator has to act."""

    code = "model_unavailable"


def attach_usage(error: BaseException, usage: Usage | None) -> None:
    """Attach the usage of its call to an error: to a `ModelError`, or to a cancellation, which has no field for it."""
    if usage is not None and usage != Usage():
        error.usage = usage  # type: ignore[attr-defined]


def attached_usage(error: BaseException) -> Usage | None:
    """Return the usage of the call that ended with this error; None if nothing was used, or nothing is known."""
    usage = getattr(error, "usage", None)
    return usage if isinstance(usage, Usage) else None


class ModelUnusable(Exception):
    """A model cannot be loaded at all. The message says what is wrong and what to do."""

"""How a model can fail. Each failure knows the error code that its caller gets, and whether trying again may help."""

from collections.abc import Mapping

from carteiro.schemas import ErrorCode


class ModelFailure(Exception):
    """A model call that gave no result. The message is for the caller: it names no secret and no prompt."""

    code: ErrorCode = "internal"
    retryable = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class PromptTooLarge(ModelFailure):
    """The prompt does not fit the model's context."""

    code = "too_large"


class Unsupported(ModelFailure):
    """The model cannot do what was asked, now or later."""

    code = "unsupported"


class InvalidPrompt(ModelFailure):
    """The model turns the prompt down as malformed: an option out of its range, a schema it cannot follow."""

    code = "invalid_request"


class Refused(ModelFailure):
    """The model declined to answer."""

    code = "model_refused"


class ContentFiltered(ModelFailure):
    """The provider's content filter stopped the prompt or the completion."""

    code = "content_filtered"


class InvalidOutput(ModelFailure):
    """The completion does not have the shape that was asked for."""

    code = "invalid_output"


class RateLimited(ModelFailure):
    """The provider takes no more calls for now. `retry_after` is what it asks to wait, in seconds, if it says.

    `headers` are those of its refusal, which may tell the limits; their names are in lower case.
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
    """What was paid for is used up: waiting alone does not help, somebody has to pay."""

    retryable = False


class Unavailable(ModelFailure):
    """The model cannot be reached, failed, or took too long; later it may work."""

    code = "model_unavailable"
    retryable = True


class Misconfigured(ModelFailure):
    """The provider turns the service away: a wrong key, no permission, no such model. An operator has to act."""

    code = "model_unavailable"


class ModelUnusable(Exception):
    """A model that cannot be loaded at all. The message says what is wrong and what to do."""

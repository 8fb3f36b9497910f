"""The one reply that every request gets."""

from functools import cache
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

ResultT = TypeVar("ResultT", bound=BaseModel)

ErrorCode = Literal[
    "unreadable",
    "invalid_request",
    "too_large",
    "unsupported",
    "expired",
    "model_refused",
    "content_filtered",
    "invalid_output",
    "rate_limited",
    "model_unavailable",
    "internal",
    "over_budget",
]

ERROR_CODES: dict[ErrorCode, str] = {
    "unreadable": "The record is not JSON in UTF-8.",
    "invalid_request": "The request is not one of this task, or a header is wrong; `fields` names what.",
    "too_large": "The input is too long for the model, or the reply for the broker.",
    "unsupported": "The model of this service cannot do what was asked, such as a language pair.",
    "expired": "The deadline passed before the reply was ready.",
    "model_refused": "The model declined to answer.",
    "content_filtered": "The provider's content filter stopped the request or the completion.",
    "invalid_output": "The model's completion does not have the shape that was asked for.",
    "rate_limited": "The provider's rate limit or quota is used up.",
    "model_unavailable": "The model cannot be reached, failed, timed out, or turned the service away.",
    "over_budget": "A spending cap is reached, for the request, its record key, or the day.",
    "internal": "A fault of the service itself; its log has the details.",
}
"""Every code that an error reply can carry, and what it means. Codes are never renamed."""

FinishReason = Literal["stop", "length"]


class ReplySchema(BaseModel):
    """Base of what a reply is made of. Unknown fields are ignored: a newer worker may send more."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


class Usage(ReplySchema):
    """Tokens, as the model that answered counts them, over all calls made for the request."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    """Those of the input tokens that the provider had in its cache, and mostly charges less for."""
    reasoning_tokens: int = 0
    """Those of the output tokens that went into reasoning and are not in the completion."""
    cost_usd: float | None = None
    """What they cost, in US dollars; without it the model's price is not known."""
    service_tier: Literal["batch"] | None = None
    """`batch` where all of it was done by a provider's batch API, at half the price."""

    def __add__(self, other: "Usage") -> "Usage":
        if self == Usage() or other == Usage():
            return other if self == Usage() else self
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cost_usd=_sum(self.cost_usd, other.cost_usd),
            service_tier=self.service_tier if self.service_tier == other.service_tier else None,
        )


def _sum(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else one + other


class Timing(ReplySchema):
    """Where the time went, in milliseconds."""

    queue_ms: int
    """From the request record's timestamp until a worker began with it."""
    work_ms: int
    """From then until the result was there."""


class FieldError(ReplySchema):
    """One thing that is wrong with a request."""

    field: str
    """The field, by its path: `messages.0.role`."""
    reason: str


class ErrorDetail(ReplySchema):
    """What went wrong, for a program (`code`, `retryable`) and for a person (`message`)."""

    code: ErrorCode | str
    """A newer worker may have more codes."""
    message: str
    retryable: bool
    """Whether the same request may succeed later, unchanged."""
    fields: list[FieldError] = []
    """For `invalid_request`: each field that is wrong, and why."""


class OkReply(ReplySchema, Generic[ResultT]):
    """The request is done."""

    status: Literal["ok"] = "ok"
    task: str
    request_id: str
    """The request record's place: `topic/partition/offset`."""
    result: ResultT
    model: str
    """The model that answered."""
    finish_reason: FinishReason = "stop"
    """`length`: a completion was cut by `max_output_tokens` or by the model's limit."""
    usage: Usage
    cached: bool = False
    """Whether this is the reply to an earlier, equal request."""
    timing: Timing


class PartialReply(ReplySchema):
    """A piece of a reply that is still being written, for a request with `options.stream`. The whole reply follows."""

    status: Literal["partial"] = "partial"
    task: str
    request_id: str
    """The request record's place: `topic/partition/offset`."""
    attempt: str
    """Names the model call that it is from. Once a piece of another call has come, those before it are void."""
    seq: int
    """0, 1, 2 and so on within its call."""
    text: str
    """What the model has written since the piece before."""


class ErrorReply(ReplySchema):
    """The request could not be done."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "error",
                    "task": "summarize",
                    "request_id": "llm.summarize.requests/0/17",
                    "error": {
                        "code": "invalid_request",
                        "message": "text: Field required",
                        "retryable": False,
                        "fields": [{"field": "text", "reason": "Field required"}],
                    },
                }
            ]
        }
    )

    status: Literal["error"] = "error"
    task: str
    request_id: str
    """The request record's place: `topic/partition/offset`."""
    error: ErrorDetail
    usage: Usage | None = None
    """What calls of a model cost although nothing came of them."""


@cache
def reply_type(result: type[ResultT]) -> TypeAdapter[OkReply[ResultT] | ErrorReply]:
    """The reply to a request whose result is a `result`: what reads it, writes it, and knows its JSON Schema."""
    either = OkReply[result] | ErrorReply  # type: ignore[valid-type]
    return TypeAdapter(Annotated[either, Field(discriminator="status")])

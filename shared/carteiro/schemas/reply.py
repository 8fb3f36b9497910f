"""The reply to every request."""

from functools import cache
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_serializer

from carteiro.schemas.list_field import empty_list

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
    "store_unavailable",
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
    "store_unavailable": "The store of a text by reference, or of documents, cannot be reached, or fails.",
    "internal": "A fault of the service itself; its log has the details.",
}
"""Every code that an error reply can carry, and its meaning. Codes are never renamed."""

FinishReason = Literal["stop", "length", "tool_calls"]
ServiceTier = Literal["flex", "standard", "priority"]
"""Tier of a provider's service for live calls, from the cheapest to the fastest."""


class ReplySchema(BaseModel):
    """Base of all parts of a reply. Unknown fields are ignored: a newer worker may send more."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


class Result(ReplySchema):
    """Base of the result of every task."""

    def render(self) -> str:
        """Return the result as a person reads it; by default as JSON."""
        return self.model_dump_json(indent=2)


class Usage(ReplySchema):
    """Tokens and characters of all calls made for the request, as the model that answered counts them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    """Input tokens that the provider read from its prompt cache; most providers charge less for them."""
    reasoning_tokens: int = 0
    """Output tokens of the model's reasoning that are not in the completion."""
    characters: int = 0
    """Characters that a language service charges for, such as Azure Translator."""
    reused_calls: int = 0
    """Calls that an earlier run of the request had made when its worker ended or its dead letter was written. They were
    paid once, and their tokens are in the first reply after them."""
    cost_usd: float | None = None
    """Cost in US dollars; null if the model's price is not known."""
    service_tier: ServiceTier | Literal["batch"] | None = None
    """Tier that served all calls: `batch` and `flex` cost half, `priority` more. Null if several tiers did, or if the
    provider does not say.
    """

    @field_serializer("cost_usd", when_used="unless-none")
    def _without_float_noise(self, cost: float) -> float:
        return round_cost(cost)

    def __add__(self, other: "Usage") -> "Usage":
        if self == NO_USAGE:
            return other
        if other == NO_USAGE:
            return self
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            characters=self.characters + other.characters,
            reused_calls=self.reused_calls + other.reused_calls,
            cost_usd=_sum(self.cost_usd, other.cost_usd),
            service_tier=self.service_tier if self.service_tier == other.service_tier else None,
        )


NO_USAGE = Usage()


def round_cost(usd: float) -> float:
    """Return a cost in US dollars without what binary fractions add to it: a millionth of a millionth is less than a
    token of any model costs.
    """
    return round(usd, 12)


def _sum(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else one + other


class Timing(ReplySchema):
    """Durations in milliseconds."""

    queue_ms: int
    """Time from the request record's timestamp until a worker started the request."""
    work_ms: int
    """Time from that start until the result was ready."""


class FieldError(ReplySchema):
    """An error in one field of a request."""

    field: str
    """The field, by its path: `messages.0.role`."""
    reason: str


class ErrorDetail(ReplySchema):
    """Details of an error, for a program (`code`, `retryable`) and for a person (`message`)."""

    code: ErrorCode | str
    """Error code. A newer worker may have more codes."""
    message: str
    retryable: bool
    """True if the same request may succeed later, unchanged."""
    fields: list[FieldError] = empty_list()
    """For `invalid_request`: each wrong field, and the reason."""


class OkReply(ReplySchema, Generic[ResultT]):
    """Reply to a request that succeeded."""

    status: Literal["ok"] = "ok"
    task: str
    request_id: str
    """Id of the request record: `topic/partition/offset`."""
    result: ResultT
    model: str
    """Name of the model that answered."""
    finish_reason: FinishReason = "stop"
    """`length` if the completion was cut by `max_output_tokens` or by the model's limit, and `tool_calls` if the model
    calls tools of the caller.
    """
    usage: Usage
    cached: bool = False
    """True if this is the cached reply to an earlier, equal request."""
    timing: Timing


class StoredResult(ReplySchema):
    """Place of a result that is too large for its topic."""

    uri: str
    """Address of an object: the result as JSON in UTF-8."""
    size_bytes: int
    """Size of the object."""


class StoredReply(ReplySchema):
    """Reply to a request that succeeded, with a result that is too large for the topic and is in a bucket instead."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "stored",
                    "task": "translate",
                    "request_id": "llm.translate.requests/0/17",
                    "stored_result": {
                        "uri": "s3://replies/llm.translate.requests/0/17-1764480000000.json",
                        "size_bytes": 1_734_201,
                    },
                    "model": "openai:gpt-4.1-mini",
                    "finish_reason": "stop",
                    "usage": {"input_tokens": 410_233, "output_tokens": 422_874},
                    "timing": {"queue_ms": 3, "work_ms": 840_112},
                }
            ]
        }
    )

    status: Literal["stored"] = "stored"
    task: str
    request_id: str
    """Id of the request record: `topic/partition/offset`."""
    stored_result: StoredResult
    """Place of the result."""
    model: str
    """Name of the model that answered."""
    finish_reason: FinishReason = "stop"
    """`length` if the completion was cut by `max_output_tokens` or by the model's limit, and `tool_calls` if the model
    calls tools of the caller.
    """
    usage: Usage
    cached: bool = False
    """True if this is the cached reply to an earlier, equal request."""
    timing: Timing


class PartialReply(ReplySchema):
    """Chunk of a reply that is still being written, for a request with `options.stream`. The whole reply follows."""

    status: Literal["partial"] = "partial"
    task: str
    request_id: str
    """Id of the request record: `topic/partition/offset`."""
    attempt: str
    """Id of the model call that wrote the chunk. A chunk of a new call makes all chunks of earlier calls void."""
    seq: int
    """Number of the chunk within its call: 0, 1, 2 and so on."""
    text: str
    """Text that the model has written since the previous chunk."""


class ErrorReply(ReplySchema):
    """Reply to a request that failed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "error",
                    "task": "summarize",
                    "request_id": "llm.summarize.requests/0/17",
                    "error": {
                        "code": "invalid_request",
                        "message": "text: is missing",
                        "retryable": False,
                        "fields": [{"field": "text", "reason": "is missing"}],
                    },
                }
            ]
        }
    )

    status: Literal["error"] = "error"
    task: str
    request_id: str
    """Id of the request record: `topic/partition/offset`."""
    error: ErrorDetail
    usage: Usage | None = None
    """Tokens and cost of model calls that gave no result."""


@cache
def reply_type(result: type[ResultT]) -> TypeAdapter[OkReply[ResultT] | StoredReply | ErrorReply]:
    """Return the type of the reply to a request with this result. It parses and writes replies, and has their JSON
    Schema.
    """
    either = OkReply[result] | StoredReply | ErrorReply  # type: ignore[valid-type]
    return TypeAdapter(Annotated[either, Field(discriminator="status")])

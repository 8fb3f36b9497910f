"""The Responses API (https://platform.openai.com/docs/api-reference/responses/create), which some models of OpenAI
have alone. Nothing is stored at the provider."""

from typing import Any

from carteiro.models.cloud.counting import estimated_usage
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.errors import filtered, rate_limited
from carteiro.models.cloud.parts import Count, Part, sampling
from carteiro.models.cloud.parts import completion as completed
from carteiro.models.cloud.strict import can_be_strict
from carteiro.models.failures import InvalidOutput, ModelFailure, Refused, Unavailable
from carteiro.models.interface import Completion, Prompt
from carteiro.schemas import FinishReason, Usage

PATH = "/responses"


def request(endpoint: Endpoint, prompt: Prompt) -> dict[str, Any]:
    """The request's body. The API knows no stop texts: the completion is cut at them when it is there. Nor does it
    know `seed`; where one is asked for, that is for the provider to turn down."""
    body: dict[str, Any] = {
        "model": endpoint.model,
        "input": [{"role": message.role, "content": message.content} for message in prompt.messages],
        "store": False,
        **sampling(prompt),
    }
    if prompt.max_output_tokens is not None:
        body["max_output_tokens"] = prompt.max_output_tokens
    if (schema := prompt.json_schema) is not None:
        body["text"] = {
            "format": {"type": "json_schema", "name": "completion", "schema": schema, "strict": can_be_strict(schema)}
        }
    return body


def completion(answer: Any, prompt: Prompt, name: str) -> Completion:
    """What the answer's JSON says. `name` is what failures call the model.

    Raises what `carteiro.models.failures` names, and pydantic's `ValidationError` for what is no such answer.
    """
    read = _Answer.model_validate(answer)
    parts = [part for item in read.output if item.type == "message" for part in item.content or ()]
    text = "".join(part.text or "" for part in parts if part.type == "output_text")
    finish_reason: FinishReason = "stop"
    if any(part.type == "refusal" for part in parts):
        raise Refused(f"{name} declined to answer")
    match read.status:
        case "completed":
            pass
        case "incomplete":
            reason = read.incomplete_details.reason if read.incomplete_details else None
            if reason == "content_filter":
                raise filtered(name, "completion")
            if reason != "max_output_tokens":
                raise Unavailable(f"{name} did not finish, for the unknown reason {str(reason)[:40]!r}")
            finish_reason = "length"
        case "failed":
            raise _failure(read.error.code if read.error else None, name)
        case unknown:
            raise Unavailable(f"{name} ended with the unknown status {unknown[:40]!r}")
    if finish_reason == "stop" and not any(part.type == "output_text" for part in parts):
        called = any(item.type.endswith("_call") for item in read.output)
        raise InvalidOutput(
            f"{name} called a tool instead of answering" if called else f"{name} answered without a text"
        )
    usage = read.usage.sum() if read.usage else estimated_usage((each.content for each in prompt.messages), text)
    return completed(text, finish_reason, usage, prompt.stop)


def streamed(body: dict[str, Any]) -> dict[str, Any]:
    """The request's body where the answer is to come in pieces."""
    return {**body, "stream": True}


class Pieces:
    """Puts an answer together from its events (https://platform.openai.com/docs/api-reference/responses-streaming)."""

    def __init__(self) -> None:
        self._answer: Any = None

    def add(self, piece: Any) -> str:
        """The text that the event adds. Raises pydantic's `ValidationError` for what is no such event."""
        event = _Event.model_validate(piece)
        if event.type == "error":
            self._answer = {"status": "failed", "output": [], "error": {"code": event.code}}
        elif event.response is not None:
            # The first events show it as it begins, the last as it ends.
            self._answer = event.response
        return (event.delta or "") if event.type == "response.output_text.delta" else ""

    def answer(self) -> Any:
        """The answer's JSON, as it would have come in one."""
        return self._answer


def _failure(code: str | None, name: str) -> ModelFailure:
    """A call that was taken and failed half way (`ResponseErrorCode` in openai/openai-openapi)."""
    if code == "rate_limit_exceeded":
        return rate_limited(name)
    if code in ("invalid_prompt", "bio_policy"):
        return filtered(name, "prompt")
    return Unavailable(f"{name} failed with {(code or 'no reason given')[:40]!r}")


class _Content(Part):
    type: str
    text: str | None = None


class _Item(Part):
    type: str
    content: list[_Content] | None = None


class _Incomplete(Part):
    reason: str | None = None


class _Error(Part):
    code: str | None = None


class _InputDetails(Part):
    cached_tokens: Count = 0


class _OutputDetails(Part):
    reasoning_tokens: Count = 0


class _Tokens(Part):
    input_tokens: Count = 0
    output_tokens: Count = 0
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None

    def sum(self) -> Usage:
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cached_input_tokens=self.input_tokens_details.cached_tokens if self.input_tokens_details else 0,
            reasoning_tokens=self.output_tokens_details.reasoning_tokens if self.output_tokens_details else 0,
        )


class _Event(Part):
    type: str
    delta: Any = None
    code: str | None = None
    response: Any = None


class _Answer(Part):
    status: str
    output: list[_Item]
    error: _Error | None = None
    incomplete_details: _Incomplete | None = None
    usage: _Tokens | None = None

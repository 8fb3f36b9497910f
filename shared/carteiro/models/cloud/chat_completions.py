"""The Chat Completions API (https://platform.openai.com/docs/api-reference/chat/create), which most servers speak."""

from typing import Any

from pydantic import Field

from carteiro.models.cloud.counting import estimated_usage
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.errors import filtered
from carteiro.models.cloud.parts import Count, Part, sampling, streamed_with_usage
from carteiro.models.cloud.parts import completion as completed
from carteiro.models.cloud.strict import can_be_strict
from carteiro.models.failures import InvalidOutput, Refused, Unavailable
from carteiro.models.interface import Completion, Prompt
from carteiro.schemas import FinishReason, Usage

PATH = "/chat/completions"
streamed = streamed_with_usage

_FILTERED = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"}
"""Gemini's reasons (https://ai.google.dev/api/generate-content#FinishReason). Its endpoint passes some on as they
are, others behind `content_filter: `."""


def request(endpoint: Endpoint, prompt: Prompt) -> dict[str, Any]:
    """The request's body: what was asked for, and nothing that was not."""
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [{"role": message.role, "content": message.content} for message in prompt.messages],
        **sampling(prompt),
    }
    if prompt.max_output_tokens is not None:
        body[endpoint.completion_limit] = prompt.max_output_tokens
    if prompt.stop:
        body["stop"] = list(prompt.stop)
    if (schema := prompt.json_schema) is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "completion", "schema": schema, "strict": can_be_strict(schema)},
        }
    return body


def completion(answer: Any, prompt: Prompt, name: str) -> Completion:
    """What the answer's JSON says. `name` is what failures call the model.

    Raises what `carteiro.models.failures` names, and pydantic's `ValidationError` for what is no such answer.
    """
    read = _Answer.model_validate(answer)
    choice = read.choices[0]
    text = choice.message.content
    finish_reason: FinishReason = "stop"
    if choice.message.refusal:
        raise Refused(f"{name} declined to answer")
    match choice.finish_reason:
        case "stop":
            pass
        case "length":
            finish_reason = "length"
            text = text or ""  # a reasoning model may reach the limit before its first word
        case "tool_calls" | "function_call":
            raise InvalidOutput(f"{name} called a tool instead of answering")
        case reason if reason.startswith("content_filter") or reason in _FILTERED:
            raise filtered(name, "completion")
        case unknown:  # OpenRouter says "error" for a fault half way through
            raise Unavailable(f"{name} ended with the unknown finish reason {unknown[:40]!r}")
    if text is None:
        raise InvalidOutput(f"{name} answered without a text")
    usage = read.usage.sum() if read.usage else estimated_usage((each.content for each in prompt.messages), text)
    return completed(text, finish_reason, usage, prompt.stop)


class Pieces:
    """Puts an answer together from its pieces (https://platform.openai.com/docs/api-reference/chat/streaming)."""

    def __init__(self) -> None:
        self._said: dict[str, str | None] = {"content": None, "refusal": None}
        self._finish_reason: str | None = None
        self._usage: Any = None

    def add(self, piece: Any) -> str:
        """The text that the piece adds. Raises pydantic's `ValidationError` for what is no such piece."""
        read = _Piece.model_validate(piece)
        self._usage = read.usage or self._usage
        choice = read.choices[0] if read.choices else None  # the last piece has usage alone, Azure's first one filters
        if choice is None:
            return ""
        self._finish_reason = choice.finish_reason or self._finish_reason
        for name, more in (("content", choice.delta.content), ("refusal", choice.delta.refusal)):
            if more is not None:
                self._said[name] = (self._said[name] or "") + more
        return choice.delta.content or ""

    def answer(self) -> Any:
        """The answer's JSON, as it would have come in one."""
        return {"choices": [{"message": self._said, "finish_reason": self._finish_reason}], "usage": self._usage}


class _Message(Part):
    content: str | None = None
    refusal: str | None = None


class _Choice(Part):
    message: _Message
    finish_reason: str


class _PromptDetails(Part):
    cached_tokens: Count = 0


class _CompletionDetails(Part):
    reasoning_tokens: Count = 0


class _Tokens(Part):
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    total_tokens: Count = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None

    def sum(self) -> Usage:
        """OpenAI counts what a model reasons in its completion. Gemini and xAI count it in the total alone."""
        output = max(self.completion_tokens, self.total_tokens - self.prompt_tokens)
        told = self.completion_tokens_details.reasoning_tokens if self.completion_tokens_details else 0
        return Usage(
            input_tokens=self.prompt_tokens,
            output_tokens=output,
            cached_input_tokens=self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else 0,
            reasoning_tokens=told or output - self.completion_tokens,
        )


class _Delta(Part):
    content: str | None = None
    refusal: str | None = None


class _PieceChoice(Part):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Piece(Part):
    choices: list[_PieceChoice]
    usage: Any = None


class _Answer(Part):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Tokens | None = None

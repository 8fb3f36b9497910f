"""Behaviour of OpenAI's Chat Completions, with methods for the differences of other providers."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from aiohttp import web

from carteiro.models.compatible import COMPATIBLE_PROVIDERS
from tests.provider.catalogue.fake_model import ModelOutput, generate
from tests.provider.completions import Json
from tests.provider.streams import words

ReasoningPlacement = Literal["hidden", "reasoning_content", "reasoning", "<think>", "</think>", "parts"]
"""Place of the reasoning: nowhere, in a field of the message, in the content between tags, after an opening tag in the
prompt, or as a part of the content."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error body with its status. `waits` is the time to wait that it names, in seconds."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    waits: float | None = None


def kinds(others: Mapping[str, Any] | None = None, /, **errors: Any) -> Mapping[str, Any]:
    """Return a table of errors by their kinds, based on the table of another provider."""
    return {**(others or {}), **errors}


def error(
    status: int,
    message: str,
    kind: str | None = "invalid_request_error",
    code: Any = None,
    *,
    waits: float | None = None,
    **more: Any,
) -> Refusal:
    """Return an error in OpenAI's shape."""
    body = {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}
    return Refusal(status, body, waits=waits)


class Behaviour:
    """One provider with one model. A subclass holds only the differences."""

    name: ClassVar[str]
    """The name in the catalogue."""
    model: ClassVar[str]
    scheme: ClassVar[str | None] = None
    """The beginning of its models' names, if it is in the table of compatible providers; None for `http`."""
    prefix: ClassVar[str] = "/v1"
    steps: ClassVar[int] = 2
    """Calls that the first request of a kind may take: each refusal and each empty answer teaches one thing."""
    thinks: ClassVar[int] = 0
    """Reasoning tokens before each answer."""
    shown: ClassVar[ReasoningPlacement] = "hidden"
    limits: ClassVar[tuple[str, ...]] = ("max_completion_tokens", "max_tokens")
    """Names of the limit of output tokens that the provider knows."""
    stop: ClassVar[str] = "stop"
    length: ClassVar[str] = "length"
    wrap: ClassVar[str] = "{}"
    """Text around JSON if no format forces the JSON."""
    follows_formats: ClassVar[bool] = True
    """False if `response_format` is accepted and ignored."""
    headers: ClassVar[Mapping[str, str]] = {}
    """Headers of each answer, most of them rate limits."""
    errors: ClassVar[Mapping[str, Refusal]] = {}
    """Refusals by kind: `rate_limited`, `too_large` and so on."""
    stream_errors: ClassVar[Mapping[str, str]] = {}
    """Events of errors in a stream that has begun, by the same kinds."""
    called: ClassVar[str] = "tool_calls"
    """Finish reason of an answer with calls of tools."""
    calls_come_whole: ClassVar[bool] = False
    """True if each call of a tool comes in one chunk, and all have the index 0."""
    lead: ClassVar[str] = ""
    """Comments at the beginning of a stream."""
    blank: ClassVar[str] = ""
    """White space before a complete answer."""

    def settings(self, root: str) -> tuple[str, dict[str, str]]:
        """Return the model's name in Carteiro's settings, and the settings, for a provider at `root`."""
        for row in COMPATIBLE_PROVIDERS:
            if row.scheme == self.scheme:
                address = f"{root}{urlsplit(row.url).path or '/v1'}"
                return f"{row.scheme}:{self.model}", {row.address: address, row.key: "sk-played"}
        return f"{root}{self.prefix}#{self.model}", {"CARTEIRO_SERVER_API_KEY": "sk-played"}

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        """Return the refusal of a request that the provider does not take."""
        return None

    def limit(self, body: Json) -> int | None:
        """Return the request's limit of output tokens, if it has a name that the provider knows."""
        return next((body[name] for name in self.limits if body.get(name) is not None), None)

    def generate(self, body: Json) -> ModelOutput:
        """Return the model's output for the request."""
        return generate(
            body, thinks=self.thinks, limit=self.limit(body), wrap=self.wrap, follows_formats=self.follows_formats
        )

    def whole(self, body: Json, output: ModelOutput) -> Json:
        """Return the complete answer."""
        choice = {"index": 0, "message": self.message(output), "logprobs": None, "finish_reason": self.finish(output)}
        return {**self.common(body, "chat.completion"), "choices": [choice], "usage": self.usage(output)}

    def message(self, output: ModelOutput) -> Json:
        """Return the assistant's message, with its reasoning if this provider shows it."""
        message: Json = {"role": "assistant", "content": self.content(output)}
        if self.shown.startswith("reasoning") and output.thought:
            message[self.shown] = output.thought
        if output.calls:
            message |= {"content": None, "tool_calls": self.calls(output)}
        return message

    def calls(self, output: ModelOutput) -> list[Json]:
        """Return the calls of tools."""
        return [
            {"id": f"call_{number}_abcdefghij", "type": "function", "function": {"name": name, "arguments": arguments}}
            for number, (name, arguments) in enumerate(output.calls)
        ]

    def call_deltas(self, output: ModelOutput) -> Iterator[Json]:
        """Yield the calls of tools in pieces: the id and the name come first."""
        for number, call in enumerate(self.calls(output)):
            if self.calls_come_whole:
                yield {"tool_calls": [{"index": 0, **call}]}
                continue
            arguments = call["function"]["arguments"]
            yield {"tool_calls": [{"index": number, **call, "function": {**call["function"], "arguments": ""}}]}
            for part in _halves(arguments):
                yield {"tool_calls": [{"index": number, "function": {"arguments": part}}]}

    def content(self, output: ModelOutput) -> Any:
        """Return the message's content."""
        if self.shown == "parts" and output.thought:
            text = [{"type": "text", "text": output.text}] if output.text else []
            return [_thinking(output.thought), *text]
        return f"{self._tagged(output)}{output.text}"

    def finish(self, output: ModelOutput) -> str:
        """Return the finish reason, in the provider's spelling."""
        return self.called if output.calls else self.length if output.cut else self.stop

    def usage(self, output: ModelOutput) -> Json:
        """Return the tokens used. Reasoning counts as output."""
        return {
            "prompt_tokens": output.prompt,
            "completion_tokens": output.tokens,
            "total_tokens": output.prompt + output.tokens,
            "completion_tokens_details": {"reasoning_tokens": output.thinking},
        }

    def common(self, body: Json, kind: str) -> Json:
        """Return the fields of each answer and each chunk."""
        return {"id": "chatcmpl-1", "object": kind, "created": 1_760_000_000, "model": body["model"]}

    def events(self, body: Json, output: ModelOutput) -> Iterator[str]:
        """Yield the answer as a stream of server-sent events."""
        yield self.lead
        for piece in self.pieces(body, output):
            yield event(piece)
        yield "data: [DONE]\n\n"

    def pieces(self, body: Json, output: ModelOutput) -> Iterator[Json]:
        """Yield the chunks of a stream."""
        for delta in self.deltas(output):
            yield self.chunk(body, delta)
        yield self.chunk(body, {}, self.finish(output))
        if (body.get("stream_options") or {}).get("include_usage"):
            yield {**self.common(body, "chat.completion.chunk"), "choices": [], "usage": self.usage(output)}

    def deltas(self, output: ModelOutput) -> Iterator[Json]:
        """Yield the part of the message that each chunk adds."""
        yield {"role": "assistant", "content": ""}
        if output.thought and self.shown.startswith("reasoning"):
            yield from ({"content": None, self.shown: part} for part in _halves(output.thought))
        elif output.thought and self.shown == "parts":
            yield from ({"content": [_thinking(part)]} for part in _halves(output.thought))
        else:
            yield from ({"content": part} for part in _halves(self._tagged(output)))
        yield from ({"content": word} for word in words(output.text) if word)
        yield from self.call_deltas(output)

    def chunk(self, body: Json, delta: Json, finish_reason: str | None = None) -> Json:
        """Return a chunk with one choice."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**self.common(body, "chat.completion.chunk"), "choices": [choice]}

    def _tagged(self, output: ModelOutput) -> str:
        """Return the content with the reasoning at its beginning. Truncated reasoning has no closing tag."""
        if not output.thought or not self.shown.endswith("think>"):
            return ""
        opening = "<think>\n" if self.shown == "<think>" else ""
        return f"{opening}{output.thought}" + ("\n</think>\n\n" if output.text else "")


def event(piece: Json, name: str | None = None) -> str:
    """Return a server-sent event."""
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(piece)}\n\n"


def unknown(body: Json, known: str) -> list[str]:
    """Return the request's fields that are not among `known`, a list separated by blanks."""
    return sorted(body.keys() - set(known.split()))


def format_type(body: Json) -> str | None:
    """Return the type of the request's `response_format`."""
    kind: str | None = (body.get("response_format") or {}).get("type")
    return kind


def lacks_json(body: Json) -> bool:
    """Return True if the request uses JSON mode with a prompt without the word `json`, which OpenAI and others
    refuse.
    """
    return format_type(body) == "json_object" and "json" not in json.dumps(body["messages"]).lower()


def _thinking(text: str) -> Json:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _halves(text: str) -> list[str]:
    """Cut the text in the middle, possibly within a tag: chunks do not respect words."""
    middle = max(1, len(text) - 6)
    return [part for part in (text[:middle], text[middle:]) if part]

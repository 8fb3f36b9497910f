"""Anthropic's Messages API (https://platform.claude.com/docs/en/api/messages, .../build-with-claude/streaming)."""

import json
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from tests.provider.catalogue.anthropic import AnthropicCompatible
from tests.provider.catalogue.behaviour import Refusal, event, kinds, unknown
from tests.provider.catalogue.fake_model import ModelOutput, generate
from tests.provider.completions import Json
from tests.provider.streams import words

_KNOWN = (
    "model max_tokens messages system stop_sequences stream output_config cache_control metadata service_tier thinking"
    " tools tool_choice container inference_geo speed"
)
"""Fields of `MessageCreateParams` in the package anthropic 2.14. There is no temperature any more."""
CACHED = 7
"""Tokens of each prompt that are read from the cache, and as many that are written to it."""


def _refused(message: str) -> Refusal:
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": message}, "request_id": "req_1"}
    return Refusal(400, body)


class AnthropicMessages(AnthropicCompatible):
    """A current model: it takes a JSON Schema, and no sampling parameters."""

    name = "anthropic"
    limits = ("max_tokens",)
    wrap = "{}"
    follows_formats = True
    steps = 1
    called = "tool_use"
    errors = kinds(
        AnthropicCompatible.errors,
        too_large=Refusal(
            413,
            {"type": "error", "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}},
        ),
        passing=Refusal(500, {"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}),
    )
    stream_errors = AnthropicCompatible.stream_errors

    def settings(self, root: str) -> tuple[str, dict[str, str]]:
        return f"anthropic:{self.model}", {"ANTHROPIC_API_KEY": "sk-ant-played", "ANTHROPIC_BASE_URL": root}

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        if extra := unknown(body, _KNOWN):
            return _refused(f"{extra[0]}: Extra inputs are not permitted")
        if "max_tokens" not in body:
            return _refused("max_tokens: Field required")
        roles = {message["role"] for message in body["messages"]}
        if roles - {"user", "assistant"}:
            return _refused('messages: Unexpected role "system". Use the top-level `system` parameter.')
        return None

    def generate(self, body: Json) -> ModelOutput:
        system = [{"role": "system", "content": each["text"]} for each in body.get("system", ())]
        whole = {**body, "messages": [*system, *body["messages"]]}
        return generate(whole, thinks=self.thinks, limit=self.limit(body))

    def whole(self, body: Json, output: ModelOutput) -> Json:
        thinking = {"type": "thinking", "thinking": output.thought, "signature": "EqQB"}
        text = {"type": "text", "text": output.text}
        content = [part for part in (thinking, text) if any(part.get(name) for name in ("thinking", "text"))]
        content += self._blocks(output)
        return {
            **self._message(body),
            "content": content,
            "stop_reason": self.finish(output),
            "usage": self.usage(output),
        }

    def usage(self, output: ModelOutput) -> Json:
        """The input tokens are those that come after the cache."""
        return {
            "input_tokens": output.prompt,
            "cache_creation_input_tokens": CACHED,
            "cache_read_input_tokens": CACHED,
            "output_tokens": output.tokens,
            "output_tokens_details": {"thinking_tokens": output.thinking},
            "service_tier": "standard",
        }

    def events(self, body: Json, output: ModelOutput) -> Iterator[str]:
        counts = {**self.usage(output), "output_tokens": 1}
        yield _event("message_start", message={**self._message(body), "content": [], "usage": counts})
        yield _event("ping")
        index = 0
        if output.thought:
            start = {"type": "thinking", "thinking": "", "signature": ""}
            yield _event("content_block_start", index=0, content_block=start)
            for word in words(output.thought):
                yield _delta(0, type="thinking_delta", thinking=word)
            yield _delta(0, type="signature_delta", signature="EqQB")
            yield _event("content_block_stop", index=0)
            index = 1
        yield _event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        for word in words(output.text):
            yield _delta(index, type="text_delta", text=word)
        yield _event("content_block_stop", index=index)
        for number, block in enumerate(self._blocks(output), index + 1):
            yield _event("content_block_start", index=number, content_block={**block, "input": {}})
            yield _delta(number, type="input_json_delta", partial_json="")
            yield _delta(number, type="input_json_delta", partial_json=json.dumps(block["input"]))
            yield _event("content_block_stop", index=number)
        end = {"stop_reason": self.finish(output), "stop_sequence": None}
        yield _event("message_delta", delta=end, usage={"output_tokens": output.tokens})
        yield _event("message_stop")

    def _blocks(self, output: ModelOutput) -> list[Json]:
        return [
            {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": json.loads(arguments)}
            for number, (name, arguments) in enumerate(output.calls)
        ]

    def _message(self, body: Json) -> Json:
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
        return {**message, "stop_reason": None, "stop_sequence": None}


class AnthropicThinking(AnthropicMessages):
    """A model that thinks before it answers, and shows a summary."""

    name = "anthropic-thinking"
    steps = 2
    thinks = 250
    shown = "parts"


def _event(kind: str, **more: Any) -> str:
    return event({"type": kind, **more}, kind)


def _delta(index: int, **delta: Any) -> str:
    return _event("content_block_delta", index=index, delta=delta)

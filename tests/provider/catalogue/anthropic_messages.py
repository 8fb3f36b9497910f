"""Anthropic's Messages API (https://platform.claude.com/docs/en/api/messages, .../build-with-claude/streaming)."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from aiohttp import web

from tests.provider.catalogue.anthropic import AnthropicCompatible
from tests.provider.catalogue.behaviour import Refusal, event, kinds, unknown
from tests.provider.catalogue.fake_model import THOUGHT_WORD, ModelOutput, generate
from tests.provider.completions import Json
from tests.provider.streams import words

_KNOWN = (
    "model max_tokens messages system stop_sequences stream output_config cache_control metadata service_tier thinking"
    " tools tool_choice container inference_geo speed"
)
"""Fields of `MessageCreateParams` in the package anthropic 2.14. There is no temperature any more."""
BUDGET_MODELS = ("claude-sonnet-4-5",)
"""Models that think within a budget of tokens."""
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
        return self._refused_thinking(body)

    def _refused_thinking(self, body: Json) -> Refusal | None:
        """https://platform.claude.com/docs/en/build-with-claude/extended-thinking, "Preserving thinking blocks"."""
        kind = (body.get("thinking") or {}).get("type")
        if kind == "adaptive" and self.model in BUDGET_MODELS:
            return _refused("adaptive thinking is not supported on this model")
        if kind in ("adaptive", "enabled") and (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
            return _refused("Thinking may not be enabled when tool_choice forces tool use.")
        for number, message in enumerate(body["messages"]):
            for at, block in enumerate(_content(message)):
                if block["type"] == "thinking" and block.get("signature") != _signature(block["thinking"]):
                    return _refused(f"messages.{number}.content.{at}: Invalid `signature` in `thinking` block")
        if kind != "enabled" or not any(each["type"] == "tool_result" for each in _content(body["messages"][-1])):
            return None
        first = _content(body["messages"][-2])[0]["type"]
        if first in ("thinking", "redacted_thinking"):
            return None
        return _refused(
            f"messages.{len(body['messages']) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but "
            f"found `{first}`. When `thinking` is enabled, a final `assistant` message must start with a thinking "
            "block (preceeding the lastmost set of `tool_use` and `tool_result` blocks). We recommend you include "
            "thinking blocks from previous turns. To avoid this requirement, disable `thinking`."
        )

    def generate(self, body: Json) -> ModelOutput:
        system = [{"role": "system", "content": each["text"]} for each in body.get("system", ())]
        whole = {**body, "messages": [*system, *body["messages"]]}
        output = generate(whole, thinks=self.thinks, limit=self.limit(body))
        thinks = (body.get("thinking") or {}).get("type") in ("adaptive", "enabled")
        return replace(output, thought=THOUGHT_WORD) if thinks and output.calls else output

    def whole(self, body: Json, output: ModelOutput) -> Json:
        thinking = {"type": "thinking", "thinking": output.thought, "signature": _signature(output.thought)}
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
            yield _delta(0, type="signature_delta", signature=_signature(output.thought))
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


class AnthropicAdaptive(AnthropicMessages):
    """A model that decides itself how much it thinks: it needs no thinking back."""

    name = "anthropic-adaptive"
    model = "claude-opus-5-5"


class AnthropicThinking(AnthropicMessages):
    """A model that thinks before it answers, and shows a summary."""

    name = "anthropic-thinking"
    steps = 2
    thinks = 250
    shown = "parts"


def _content(message: Json) -> list[Json]:
    content = message["content"]
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def _signature(thought: str) -> str:
    return hashlib.sha256(thought.encode()).hexdigest()


def _event(kind: str, **more: Any) -> str:
    return event({"type": kind, **more}, kind)


def _delta(index: int, **delta: Any) -> str:
    return _event("content_block_delta", index=index, delta=delta)

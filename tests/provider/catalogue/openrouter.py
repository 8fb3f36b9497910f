"""OpenRouter (https://openrouter.ai/docs/api-reference/overview, https://openrouter.ai/docs/api-reference/errors).

Comments and native finish reasons: https://github.com/openai/openai-go/issues/227. Credits for one request:
https://github.com/Gitlawb/openclaude/issues/1125. Errors in a stream: https://github.com/diegosouzapw/OmniRoute/pull/8210.
"""

from collections.abc import Iterator
from typing import Any

from tests.provider.catalogue.behaviour import Behaviour, Refusal, event, kinds
from tests.provider.catalogue.fake_model import ModelOutput
from tests.provider.completions import Json


def _error(status: int, message: str, http: int | None = None, **metadata: Any) -> Refusal:
    error = {"message": message, "code": status, **({"metadata": metadata} if metadata else {})}
    return Refusal(http or status, {"error": error, "user_id": "user_x"})


def _in_stream(code: int | str, message: str) -> str:
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": None}
    return event({"id": "gen-1", "error": {"code": code, "message": message}, "choices": [choice]})


class OpenRouter(Behaviour):
    """A reasoning model behind a gateway."""

    name = "openrouter"
    model = "qwen/qwen3-235b-a22b"
    scheme = "openrouter"
    thinks = 250
    shown = "reasoning"
    lead = ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n"
    blank = "\n         \n\n         \n"
    errors = kinds(
        rate_limited=_error(
            429,
            "Provider returned error",
            raw="qwen/qwen3-235b-a22b is temporarily rate-limited upstream. Please retry shortly.",
            provider_name="Chutes",
        ),
        unpaid=_error(402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits"),
        unaffordable=_error(
            402,
            "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only"
            " afford 3395. To increase, visit https://openrouter.ai/settings/credits and upgrade to a paid account",
            provider_name=None,
        ),
        too_large=_error(
            400,
            "This endpoint's maximum context length is 32768 tokens. However, you requested about 41000 tokens (41000"
            " of text input). Please reduce the length of either one.",
        ),
        filtered=_error(
            403,
            'qwen/qwen3 requires moderation on Chutes. Your input was flagged for "violence". No credits were charged.',
            reasons=["violence"],
            flagged_input="one two three",
            provider_name="Chutes",
        ),
        wrong_key=_error(401, "No auth credentials found"),
        unknown_model=_error(400, "qwen/qwen99 is not a valid model ID"),
        overloaded=_error(502, "Provider returned error", http=200, provider_name="Chutes"),
    )
    stream_errors = kinds(
        overloaded=_in_stream(502, "Provider disconnected"),
        rate_limited=_in_stream(429, "Rate limit exceeded"),
        too_large=event(
            {"error": {"code": 400, "message": "prompt is too long: 1284668 tokens > 1000000 maximum"}, "choices": []}
        ),
    )

    def usage(self, output: ModelOutput) -> Json:
        costs = {"cost": 0.00016425, "is_byok": False, "cost_details": {"upstream_inference_cost": None}}
        return {**super().usage(output), **costs, "prompt_tokens_details": None}

    def common(self, body: Json, kind: str) -> Json:
        return {**super().common(body, kind), "provider": "Chutes", "system_fingerprint": None}

    def whole(self, body: Json, output: ModelOutput) -> Json:
        answer = super().whole(body, output)
        answer["choices"][0]["native_finish_reason"] = "stop"
        return answer

    def deltas(self, output: ModelOutput) -> Iterator[Json]:
        for delta in super().deltas(output):
            thought = delta.get("reasoning")
            details = {"reasoning_details": [{"type": "reasoning.text", "text": thought}]} if thought else {}
            yield {"role": "assistant", **delta, "content": delta.get("content") or "", **details}

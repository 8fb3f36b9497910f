"""Mistral (https://docs.mistral.ai/api).

Unknown fields: https://github.com/mistralai/platform-docs-public/issues/7,
https://github.com/Gage-Technologies/mistral-go/pull/2, https://github.com/partITech/php-mistral/issues/76; the seed is
`random_seed`. Thinking as parts: https://docs.mistral.ai/capabilities/reasoning. Too long, by the table
of https://github.com/badlogic/pi-mono (packages/ai/src/utils/overflow.ts); capacity:
https://github.com/continuedev/continue/issues/6185; limited: https://github.com/raycast/extensions/issues/31107.
"""

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from tests.provider.catalogue.behaviour import Behaviour, Refusal, kinds, unknown
from tests.provider.catalogue.fake_model import ModelOutput
from tests.provider.completions import Json
from tests.provider.headers import header_names

_KNOWN = (
    "model messages temperature top_p max_tokens stream stop random_seed response_format tools tool_choice"
    " presence_penalty frequency_penalty n prediction parallel_tool_calls prompt_mode safe_prompt"
)


def _error(status: int, message: Any, kind: str = "invalid_request_error", code: str | None = None) -> Refusal:
    return Refusal(status, {"object": "error", "message": message, "type": kind, "param": None, "code": code})


def _extra(body: Json) -> list[Json]:
    kind = {"type": "extra_forbidden", "msg": "Extra inputs are not permitted"}
    return [{**kind, "loc": ["body", name], "input": body[name]} for name in unknown(body, _KNOWN)]


class Mistral(Behaviour):
    """A model without reasoning."""

    name = "mistral"
    model = "mistral-small-latest"
    scheme = "mistral"
    limits = ("max_tokens",)
    calls_come_whole = True
    headers = header_names(
        {
            "ratelimitbysize-limit": "500000",
            "ratelimitbysize-remaining": "499000",
            "ratelimitbysize-reset": "18",
            "x-ratelimitbysize-limit-minute": "500000",
        }
    )
    errors = kinds(
        rate_limited=_error(429, "Rate limit exceeded", "rate_limited", "1300"),
        capacity=_error(
            429, "Service tier capacity exceeded for this model.", "service_tier_capacity_exceeded", "3505"
        ),
        too_large=_error(
            400,
            "Prompt contains 40960 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
            code="3051",
        ),
        wrong_key=Refusal(401, {"detail": "Unauthorized"}),
        unknown_model=_error(400, "Invalid model: mistral-tiniest", "invalid_model", "1500"),
        overloaded=_error(503, "Service unavailable.", "internal_server_error", "3800"),
    )

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        extra = _extra(body)
        return _error(422, {"detail": extra}) if extra else None

    def usage(self, output: ModelOutput) -> Json:
        usage = super().usage(output)
        del usage["completion_tokens_details"]
        return usage

    def pieces(self, body: Json, output: ModelOutput) -> Iterator[Json]:
        """The usage comes with the finish reason, without a request for it."""
        *chunks, last = super().pieces(body, output)
        yield from chunks
        yield {**last, "usage": self.usage(output)}


class Magistral(Mistral):
    """A reasoning model, with the reasoning in parts of the content."""

    name = "mistral-magistral"
    model = "magistral-medium-latest"
    thinks = 250
    shown = "parts"

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        """The form of 2025-11 has each field twice."""
        extra = _extra(body)
        error = {"object": "Error", "detail": extra, "message": extra, "type": "invalid_request_error", "code": 3001}
        return Refusal(422, error) if extra else None

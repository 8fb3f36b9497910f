"""Groq (https://console.groq.com/docs/api-reference).

Structured output: https://console.groq.com/docs/structured-outputs, https://github.com/ItzCrazyKns/Vane/issues/980.
Usage in `x_groq`: https://github.com/vercel/ai/issues/1651. Headers (requests by the day, tokens by the minute) and the
words of a limit: https://console.groq.com/docs/rate-limits, https://github.com/elizaOS/eliza/issues/4040.
"""

from collections.abc import Iterator

from aiohttp import web

from tests.provider.catalogue.behaviour import Behaviour, Refusal, error, format_type, kinds, lacks_json
from tests.provider.catalogue.fake_model import ModelOutput
from tests.provider.catalogue.openai import NO_JSON
from tests.provider.completions import Json
from tests.provider.headers import header_names

_WHOSE = "for model `llama-3.3-70b-versatile` in organization `org_x` service tier `on_demand`"


class Groq(Behaviour):
    """A model without structured output."""

    name = "groq"
    model = "llama-3.3-70b-versatile"
    scheme = "groq"
    headers = header_names(
        {
            "x-ratelimit-limit-requests": "14400",
            "x-ratelimit-remaining-requests": "14370",
            "x-ratelimit-reset-requests": "2m59.56s",
            "x-ratelimit-limit-tokens": "18000",
            "x-ratelimit-remaining-tokens": "17997",
            "x-ratelimit-reset-tokens": "7.66s",
        }
    )
    errors = kinds(
        rate_limited=error(
            429,
            f"Rate limit reached {_WHOSE} on tokens per minute (TPM): Limit 6000, Used 5336, Requested 1250."
            " Please try again in 5.86s. Need more tokens? Upgrade to Dev Tier today.",
            "tokens",
            "rate_limit_exceeded",
            waits=5.86,
        ),
        too_large=error(
            413,
            f"Request too large {_WHOSE} on tokens per minute (TPM): Limit 6000, Requested 12328, please reduce your"
            " message size and try again.",
            "tokens",
            "rate_limit_exceeded",
        ),
        invalid_output=error(
            400,
            "Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.",
            code="json_validate_failed",
            failed_generation='{"found": maybe',
        ),
        wrong_key=error(401, "Invalid API Key", code="invalid_api_key"),
        unknown_model=error(404, "The model `llama-9` does not exist.", code="model_not_found"),
        overloaded=error(503, "llama is currently over capacity. Please try again.", "internal_server_error"),
        passing=error(498, "Flex tier capacity exceeded", "capacity_exceeded", "capacity_exceeded"),
    )
    stream_errors = kinds(
        invalid_output='event: error\ndata: {"error":{"message":"Failed to generate JSON.","type":'
        '"invalid_request_error","code":"json_validate_failed","status_code":400}}\n\n',
    )

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        if format_type(body) == "json_schema":
            wrong = "This model does not support response format `json_schema`. See supported models at https://console"
            return error(400, f"{wrong}.groq.com/docs/structured-outputs#supported-models", param="response_format")
        return error(400, NO_JSON) if lacks_json(body) else None

    def usage(self, output: ModelOutput) -> Json:
        times = {"queue_time": 0.0753, "prompt_time": 0.006, "completion_time": 0.022, "total_time": 0.028}
        return {**super().usage(output), **times}

    def pieces(self, body: Json, output: ModelOutput) -> Iterator[Json]:
        chunks = [*map(self.chunk, [body] * 10_000, self.deltas(output))]
        yield {**chunks[0], "x_groq": {"id": "req_1"}}
        yield from chunks[1:]
        yield {**self.chunk(body, {}, self.finish(output)), "x_groq": {"id": "req_1", "usage": self.usage(output)}}


class GroqGptOss(Groq):
    """A reasoning model with structured output."""

    name = "groq-gpt-oss"
    model = "openai/gpt-oss-120b"
    thinks = 250
    shown = "reasoning"
    headers = header_names(
        {
            "x-ratelimit-limit-requests": "500000",
            "x-ratelimit-remaining-requests": "499999",
            "x-ratelimit-reset-requests": "172.8ms",
            "x-ratelimit-limit-tokens": "250000",
            "x-ratelimit-remaining-tokens": "249950",
            "x-ratelimit-reset-tokens": "12ms",
        }
    )

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        return error(400, NO_JSON) if lacks_json(body) else None

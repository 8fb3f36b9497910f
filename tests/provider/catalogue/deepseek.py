"""DeepSeek (https://api-docs.deepseek.com).

Structured output: https://github.com/ItzCrazyKns/Vane/issues/969, https://github.com/browser-use/browser-use/pull/215.
Blank lines and `: keep-alive`: https://api-docs.deepseek.com/quick_start/rate_limit. Errors:
https://api-docs.deepseek.com/quick_start/error_codes. Reasoning: https://api-docs.deepseek.com/guides/reasoning_model.
"""

from dataclasses import replace

from aiohttp import web

from tests.provider.catalogue.behaviour import Behaviour, Refusal, error, format_type, kinds, lacks_json
from tests.provider.catalogue.fake_model import THOUGHT_WORD, ModelOutput
from tests.provider.completions import Json


class DeepSeek(Behaviour):
    """The chat model: JSON mode, no schemas."""

    name = "deepseek"
    model = "deepseek-chat"
    scheme = "deepseek"
    limits = ("max_tokens",)
    lead = ": keep-alive\n\n: keep-alive\n\n"
    blank = "\n\n\n"
    errors = kinds(
        rate_limited=error(429, "Rate limit reached, please pace your requests.", "rate_limit_error"),
        unpaid=error(402, "Insufficient Balance", "unknown_error", "invalid_request_error"),
        too_large=error(
            400,
            "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens (66000 in the"
            " messages, 4000 in the completion). Please reduce the length of the messages or completion.",
            code="invalid_request_error",
        ),
        filtered=error(400, "Content Exists Risk", code="invalid_request_error"),
        wrong_key=error(401, "Authentication Fails (no such user)", "authentication_error", "invalid_request_error"),
        unknown_model=error(400, "Model Not Exist", code="invalid_request_error"),
        overloaded=error(503, "Service is too busy. We advise users to temporarily switch to others.", None),
    )

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        if format_type(body) == "json_schema":
            return error(400, "This response_format type is unavailable now", code="invalid_request_error")
        if lacks_json(body):
            wrong = "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'."
            return error(400, wrong, code="invalid_request_error")
        calling = [message for message in body["messages"] if message.get("tool_calls")]
        # https://api-docs.deepseek.com/guides/thinking_mode, "Tool Calls"; thinking is the default.
        if not all("reasoning_content" in message for message in calling):
            wrong = "The `reasoning_content` in the thinking mode must be passed back to the API."
            return error(400, wrong, code="invalid_request_error")
        return None

    def usage(self, output: ModelOutput) -> Json:
        return {**super().usage(output), "prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": output.prompt}


class DeepSeekReasoner(DeepSeek):
    """The reasoning model. `max_tokens` bounds its reasoning too."""

    name = "deepseek-reasoner"
    model = "deepseek-reasoner"
    thinks = 250
    shown = "reasoning_content"

    def generate(self, body: Json) -> ModelOutput:
        output = super().generate(body)
        return replace(output, thought=THOUGHT_WORD) if output.calls else output

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        if format_type(body) == "json_schema":
            wrong = "Failed to deserialize the JSON body into the target type: response_format: response_format.type "
            return Refusal(422, f"{wrong}`json_schema` is unavailable now at line 1 column 12440")
        return super().refusal(body, request)

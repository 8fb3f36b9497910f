"""Providers that differ from OpenAI in few things, most of all in the form of their errors."""

from typing import Any

from aiohttp import web

from tests.provider.catalogue.behaviour import Behaviour, Refusal, error, format_type, kinds
from tests.provider.completions import Json


class Fireworks(Behaviour):
    """https://docs.fireworks.ai/guides/inference-error-codes; an unpaid account is a 412."""

    name = "fireworks"
    model = "accounts/fireworks/models/gpt-oss-120b"
    scheme = "fireworks"
    thinks = 250
    shown = "reasoning_content"
    limits = ("max_tokens",)
    errors = kinds(
        unpaid=error(
            412,
            "Account acme is suspended, possibly due to reaching the monthly spending limit or failure to pay past"
            " invoices. Please go to https://fireworks.ai/account/billing for more information.",
            "error",
        ),
        too_large=error(400, "The prompt is too long: 140000, model maximum context length: 131071"),
        unknown_model=error(404, "Model not found, inaccessible, and/or not deployed", code="NOT_FOUND"),
        wrong_key=Refusal(401, {"error": "unauthorized"}),
        overloaded=error(503, "Service overloaded, please try again later", "internal_server_error"),
    )


class XAI(Behaviour):
    """https://docs.x.ai/docs/key-information/debugging; a wrong key is a 400, and a reasoning model takes no `stop`."""

    name = "xai"
    model = "grok-4.3"
    scheme = "xai"
    thinks = 250
    errors = kinds(
        wrong_key=Refusal(
            400,
            {
                "code": "Client specified an invalid argument",
                "error": "Incorrect API key provided: sk***ed. You can obtain an API key from https://console.x.ai.",
            },
        ),
        too_large=Refusal(
            400,
            {
                "code": "Client specified an invalid argument",
                "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
            },
        ),
        unpaid=Refusal(
            403,
            {
                "code": "The caller does not have permission to execute the specified operation",
                "error": "Your team has either used all available credits or reached its monthly spending limit.",
            },
        ),
    )

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        if "stop" in body:
            wrong = "Argument not supported on this model: stop"
            return Refusal(400, {"code": "Client specified an invalid argument", "error": wrong})
        return None


class Cohere(Behaviour):
    """https://docs.cohere.com/docs/compatibility-api; errors: https://docs.cohere.com/reference/errors."""

    name = "cohere"
    model = "command-a-03-2025"
    scheme = "cohere"
    limits = ("max_tokens",)
    errors = kinds(
        rate_limited=Refusal(
            429, {"message": "You are using a Trial key, which is limited to 20 API calls / minute. Contact sales."}
        ),
        wrong_key=Refusal(401, {"message": "invalid api token"}),
        unknown_model=Refusal(404, {"message": "model 'command-z' not found, make sure the correct model ID was used"}),
        too_large=Refusal(
            400, {"message": "too many tokens: size limit exceeded by 12014 tokens. Try using shorter or fewer inputs."}
        ),
    )

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        if format_type(body) == "json_schema":
            return Refusal(400, {"message": "invalid request: response_format.type must be one of: json_object, text"})
        return None


class Perplexity(Behaviour):
    """https://docs.perplexity.ai/api-reference/chat-completions-post; a wrong key is answered with a page."""

    name = "perplexity"
    model = "sonar-pro"
    scheme = "perplexity"
    limits = ("max_tokens",)
    errors = kinds(
        wrong_key=Refusal(401, "<html><head><title>401 Authorization Required</title></head></html>"),
        unknown_model=error(400, "Invalid model 'sonar-z'. Permitted models are in the docs.", "invalid_model"),
    )

    def whole(self, body: Json, output: Any) -> Json:
        return {**super().whole(body, output), "citations": ["https://example.org"], "search_results": []}


class Cerebras(Behaviour):
    """https://inference-docs.cerebras.ai/support/error: an error's fields are not within `error`."""

    name = "cerebras"
    model = "gpt-oss-120b"
    scheme = "cerebras"
    thinks = 250
    shown = "reasoning"
    errors = kinds(
        rate_limited=Refusal(
            429,
            {
                "message": "Requests per minute limit exceeded - too many requests sent.",
                "type": "too_many_requests_error",
                "param": "quota",
                "code": "request_quota_exceeded",
            },
        ),
        capacity=Refusal(
            429,
            {
                "message": "We're experiencing high traffic right now! Please try again soon.",
                "type": "too_many_requests_error",
                "param": "queue",
                "code": "queue_exceeded",
            },
        ),
        too_large=Refusal(
            400,
            {
                "message": "Please reduce the length of the messages or completion. Current length is 9044 while limit"
                " is 8192",
                "type": "invalid_request_error",
                "param": "messages",
                "code": "context_length_exceeded",
            },
        ),
        wrong_key=Refusal(
            401,
            {
                "message": "Wrong API Key",
                "type": "invalid_request_error",
                "param": "api_key",
                "code": "wrong_api_key",
            },
        ),
    )


class Nvidia(Behaviour):
    """https://docs.api.nvidia.com/nim/reference/llm-apis: errors as problem details."""

    name = "nvidia"
    model = "meta/llama-3.3-70b-instruct"
    scheme = "nvidia"
    limits = ("max_tokens",)
    errors = kinds(
        rate_limited=Refusal(429, {"status": 429, "title": "Too Many Requests"}),
        wrong_key=Refusal(401, {"status": 401, "title": "Unauthorized", "detail": "Authentication failed"}),
        unpaid=Refusal(402, {"detail": "Account 'x': Cloud credits expired - Please contact NVIDIA representatives"}),
        unknown_model=Refusal(404, "404 page not found"),
    )


class HuggingFace(Behaviour):
    """https://huggingface.co/docs/inference-providers: the errors of the router are texts."""

    name = "huggingface"
    model = "openai/gpt-oss-20b:groq"
    scheme = "huggingface"
    thinks = 250
    shown = "reasoning"
    limits = ("max_tokens",)
    errors = kinds(
        wrong_key=Refusal(401, {"error": "Invalid username or password."}),
        unpaid=Refusal(
            402,
            {"error": "You have exceeded your monthly included credits for Inference Providers. Subscribe to PRO."},
        ),
        unknown_model=error(400, "The requested model 'x' does not exist", code="model_not_found", param="model"),
    )

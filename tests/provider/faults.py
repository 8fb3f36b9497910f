"""Faults of a provider, by name. Each fault is an answer, or a missing answer. The bodies are those that OpenAI really
sends, and other providers if a comment names them.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from tests.provider.completions import Json, complete, completion
from tests.provider.headers import header_names

FaultHandler = Callable[[web.Request, Json], Awaitable[web.StreamResponse]]

FAULTS: dict[str, FaultHandler] = {}
TRICKLE_SECONDS = 0.02


def fault(name: str) -> Callable[[FaultHandler], FaultHandler]:
    def register(answer: FaultHandler) -> FaultHandler:
        FAULTS[name] = answer
        return answer

    return register


def error_fault(
    name: str,
    status: int,
    message: str,
    kind: str | None = "invalid_request_error",
    code: str | None = None,
    param: str | None = None,
    **headers: str,
) -> None:
    """Register a fault that is an error body with a status."""
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}

    @fault(name)
    async def _(request: web.Request, request_body: Json) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=header_names(headers))


def raw_body_fault(name: str, text: str, status: int = 200, content_type: str = "application/json") -> None:
    """Register a fault that is an unexpected body."""

    @fault(name)
    async def _(request: web.Request, request_body: Json) -> web.StreamResponse:
        return web.Response(text=text, status=status, content_type=content_type)


def completion_fault(name: str, content: str | None, finish_reason: str, **message: Any) -> None:
    """Register a fault in the form of a completion."""

    @fault(name)
    async def _(request: web.Request, request_body: Json) -> web.StreamResponse:
        return web.json_response(completion(request_body, content, finish_reason, **message))


# The provider rejects the request.

OUT_OF_RANGE = "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead."
error_fault("400", 400, OUT_OF_RANGE, code="decimal_above_max_value", param="temperature")
error_fault("400-long", 400, "Something is wrong with your request. " * 100)
TOO_LONG = (
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 10012 tokens."
    " Please reduce the length of the messages."
)
error_fault("context", 400, TOO_LONG, code="context_length_exceeded", param="messages")
error_fault("context-vllm", 400, TOO_LONG, "BadRequestError", "400")
error_fault(
    "context-llama.cpp",
    400,
    "the request exceeds the available context size, try increasing it",
    "exceed_context_size_error",
)
error_fault(
    "filter-prompt",
    400,
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    None,
    "content_filter",
    "prompt",
)
error_fault(
    "unsupported",
    400,
    "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
    code="unsupported_value",
    param="temperature",
)
raw_body_fault("422", '{"detail": "Unexpected fields in the request: {\'seed\'}"}', 422)  # Transformers' server
raw_body_fault("422-list", '{"detail": [{"loc": ["body"], "msg": "wrong", "input": "the prompt"}]}', 422)  # FastAPI
raw_body_fault("413", "<html><h1>413 Request Entity Too Large</h1></html>", 413, "text/html")  # nginx

# The provider rejects the service.

error_fault(
    "403",
    403,
    "Project `proj_secret` does not have access to model `gpt-4.1-mini`",
    code="model_not_found",
)
error_fault("404", 404, "The model `x` does not exist or you do not have access to it.", code="model_not_found")
error_fault("404-as-400", 400, "Invalid model name passed in model=x", None, "400", "model")  # LiteLLM
raw_body_fault("405", '{"detail": "Method Not Allowed"}', 405)


def _masked_key(request: web.Request) -> str:
    key = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return f"Incorrect API key provided: {key[:8]}{'*' * max(0, len(key) - 12)}{key[-4:]}."


@fault("401")
async def _wrong_key(request: web.Request, request_body: Json) -> web.StreamResponse:
    error = {"message": _masked_key(request), "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}
    return web.json_response({"error": error}, status=401)


@fault("401-as-400")
async def _wrong_key_at_xai(request: web.Request, request_body: Json) -> web.StreamResponse:
    return web.json_response(
        {"code": "Client specified an invalid argument", "error": _masked_key(request)}, status=400
    )


# The provider is temporarily unavailable.

LIMIT = "Rate limit reached for gpt-4.1-mini in organization org-secret on requests per min (RPM): Limit 3, Used 3."
SERVER_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def rate_limit_fault(name: str, **headers: str) -> None:
    error_fault(name, 429, LIMIT, "requests", "rate_limit_exceeded", **headers)


rate_limit_fault("429", Retry_After="7")
rate_limit_fault("429-ms", Retry_After="8", retry_after_ms="1500")
rate_limit_fault(
    "429-date",
    Date=format_datetime(SERVER_TIME, usegmt=True),
    Retry_After=format_datetime(SERVER_TIME + timedelta(seconds=90), usegmt=True),
)
rate_limit_fault("429-past", Retry_After="Thu, 01 Jan 2015 00:00:00 GMT")
rate_limit_fault("429-nonsense", Retry_After="soon")
rate_limit_fault("429-silent")
UNPAID = "You exceeded your current quota, please check your plan and billing details."
error_fault("quota", 429, UNPAID, "insufficient_quota", "insufficient_quota")
error_fault("402", 402, "Insufficient Balance", "unknown_error", "invalid_request_error")  # DeepSeek
error_fault("408", 408, "Request timed out.", "timeout")
error_fault("409", 409, "Try again.", "conflict")
error_fault("500", 500, "The server had an error while processing your request. Sorry about that!", "server_error")
error_fault("503", 503, "The engine is currently overloaded, please try again later.", "server_error")
raw_body_fault("502", "<html><h1>502 Bad Gateway</h1></html>", 502, "text/html")

# There is no answer, or an incomplete one.


@fault("hang")
async def _never_answers(request: web.Request, request_body: Json) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def _begin(request: web.Request, length: int) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(length)})
    await response.prepare(request)
    return response


@fault("hang-after-headers")
async def _never_answers_in_full(request: web.Request, request_body: Json) -> web.StreamResponse:
    await _begin(request, 1000)
    await asyncio.Event().wait()
    raise AssertionError


@fault("trickle")
async def _one_blank_at_a_time(request: web.Request, request_body: Json) -> web.StreamResponse:
    """Leading blanks are valid JSON: no single read waits long, but the answer never arrives."""
    response = await _begin(request, 1_000_000)
    while True:
        await response.write(b" ")
        await asyncio.sleep(TRICKLE_SECONDS)


@fault("drop")
async def _closes_without_an_answer(request: web.Request, request_body: Json) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    return web.Response()


@fault("cut")
async def _closes_half_way(request: web.Request, request_body: Json) -> web.StreamResponse:
    body = json.dumps(complete(request_body)).encode()
    response = await _begin(request, len(body))
    await response.write(body[: len(body) // 2])
    assert request.transport
    request.transport.close()
    return response


@fault("not-http")
async def _speaks_something_else(request: web.Request, request_body: Json) -> web.StreamResponse:
    assert isinstance(request.transport, asyncio.Transport)
    request.transport.write(b"220 mail.example.org ESMTP\r\n\r\n")
    request.transport.close()
    return web.Response()


raw_body_fault("not-json", '{"id": "chatcmpl-1", "choices": [')


@fault("not-utf8")
async def _answers_in_bytes(request: web.Request, request_body: Json) -> web.StreamResponse:
    return web.Response(body=b'{"choices": "\xff\xfe"}', content_type="application/json")


raw_body_fault("html", "<html>Please log in</html>", 200, "text/html")
raw_body_fault("error-as-200", '{"error": {"message": "Provider returned error", "code": 502}}')  # OpenRouter
raw_body_fault("no-choices", '{"id": "chatcmpl-1", "object": "chat.completion", "choices": []}')
raw_body_fault("no-message", '{"choices": [{"index": 0, "finish_reason": "stop"}]}')
raw_body_fault("no-finish", '{"choices": [{"index": 0, "message": {"content": "Lisbon."}}]}')
raw_body_fault("no-usage", '{"choices": [{"index": 0, "message": {"content": "Lisbon."}, "finish_reason": "stop"}]}')

# The answer is of another kind.

completion_fault("refusal", None, "stop", refusal="I'm sorry, I can't assist with that request.")
completion_fault("filter-completion", "The first", "content_filter")
completion_fault("length", '{"cut":', "length")
completion_fault("length-empty", None, "length")
completion_fault("error-half-way", "The first", "error")
completion_fault("no-content", None, "stop")
completion_fault(
    "tool-calls",
    None,
    "tool_calls",
    tool_calls=[{"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{}"}}],
)

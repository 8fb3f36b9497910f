"""What went wrong when a server that speaks the OpenAI API was called, in the words of `carteiro.models.failures`.

The statuses and codes are those of OpenAI's error guide (https://platform.openai.com/docs/guides/error-codes);
where compatible servers differ, the comment names one that does.

A provider's own message reaches the caller only where it is about the caller's request (400, 422). Others name
organisations and projects, or echo parts of the key, as OpenAI's own 401 does.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from openai import APIConnectionError, APIStatusError

from carteiro.models.failures import (
    ContentFiltered,
    InvalidPrompt,
    Misconfigured,
    ModelFailure,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    Unsupported,
)

MESSAGE_LIMIT = 300
"""Most characters of a provider's message that are passed on."""

_TOO_LARGE = {"context_length_exceeded", "string_above_max_length", "exceed_context_size_error"}  # the last: llama.cpp
_TOO_LARGE_WORDS = ("maximum context length", "context window")  # vLLM and LiteLLM give no code
_FILTERED = {"content_filter", "content_policy_violation", "invalid_prompt"}  # the last: reasoning models of OpenAI
_UNSUPPORTED = {"unsupported_parameter", "unsupported_value"}
_UNPAID = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_LATER = {408, 409, 425}


def failure_of(error: Exception, model: str) -> ModelFailure:
    """The failure that `error`, raised by a call through the SDK, is for the caller of the model named `model`."""
    if isinstance(error, APIStatusError):
        return _status_failure(error, model)
    if isinstance(error, APIConnectionError):
        # The SDK's aiohttp transport reports a dropped connection as a timeout: the two cannot be told apart.
        return Unavailable(f"{model} cannot be reached, or dropped the connection")
    return Unavailable(f"The call of {model} failed ({type(error).__name__})")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """How many seconds a response asks to wait, or None where it does not say or what it says makes no sense.

    `retry-after-ms` is OpenAI's and Azure's; `Retry-After` is seconds or a date (RFC 9110, section 10.2.3). A
    date is taken relative to the server's own `Date`, so that a clock that is wrong does no harm.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    until = _date(value)
    if until is None:
        return None
    now = _date(headers.get("date")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _status_failure(error: APIStatusError, model: str) -> ModelFailure:
    status = error.status_code
    reasons = {error.code, _field(error, "type")}
    if status in (402, 429) or (status in (400, 403) and reasons & _UNPAID):  # 402: DeepSeek, OpenRouter
        return _limited(error, model, reasons)
    if status in (400, 422):
        return _turned_down(error, model, reasons)
    if status == 413:
        return PromptTooLarge(f"The prompt is too large for {model}")
    if status >= 500 or status in _LATER:
        return Unavailable(f"{model} failed with HTTP status {status}")
    return _misconfigured(status, model)


def _limited(error: APIStatusError, model: str, reasons: set[str | None]) -> ModelFailure:
    wait = retry_after(error.response.headers)
    if "request too large" in _message(error).lower():  # OpenAI: more tokens than the limit of a whole minute
        return PromptTooLarge(f"The prompt is larger than the rate limit of {model} ever allows")
    if error.status_code == 402 or reasons & _UNPAID:
        return QuotaExhausted(f"The quota of {model} is used up: check the provider's plan and billing", wait)
    return RateLimited(f"{model} takes no more calls for now: its rate limit is reached", wait)


def _turned_down(error: APIStatusError, model: str, reasons: set[str | None]) -> ModelFailure:
    """400 and 422: mostly, but not always, something is wrong with what the caller asked."""
    message = _message(error)
    lowered = message.lower()
    if "invalid_api_key" in reasons or "api key" in lowered:  # Gemini and xAI say so with a 400; xAI echoes the key
        return _misconfigured(401, model)
    if "model_not_found" in reasons or _field(error, "param") == "model":  # LiteLLM
        return _misconfigured(404, model)
    if reasons & _TOO_LARGE or any(words in lowered for words in _TOO_LARGE_WORDS):
        return PromptTooLarge(_with_message(f"The prompt does not fit the context of {model}", message))
    if reasons & _FILTERED:
        return ContentFiltered(f"The content filter of {model} stopped the prompt")
    if reasons & _UNSUPPORTED:
        return Unsupported(_with_message(f"{model} cannot do what was asked", message))
    return InvalidPrompt(_with_message(f"{model} turned the request down", message))


def _misconfigured(status: int, model: str) -> Misconfigured:
    match status:
        case 401:
            advice = "does not accept the key: check OPENAI_API_KEY, which `openai:` models alone send"
        case 403:
            advice = "denies access: check what the key in OPENAI_API_KEY is allowed to do, and the model's name"
        case 404:
            advice = "is not there: check the model's name and the server's address"
        case _:
            advice = f"gave the unexpected HTTP status {status}: check the server's address"
    return Misconfigured(f"{model} {advice}")


def _with_message(text: str, message: str) -> str:
    message = " ".join(message.split())
    if len(message) > MESSAGE_LIMIT:
        message = message[: MESSAGE_LIMIT - 1] + "…"
    return f"{text}: {message}" if message else text


def _message(error: APIStatusError) -> str:
    if isinstance(error.body, str):  # the body is no JSON, or {"error": "..."}, as from Ollama and xAI
        return "" if error.body.startswith("<") else error.body
    return _field(error, "message") or _field(error, "detail") or ""  # detail: FastAPI, so Transformers' server


def _field(error: APIStatusError, name: str) -> str | None:
    """A text in the error's body. Servers may send anything there, or no JSON at all."""
    body: Any = error.body
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) else None


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _date(value: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(value) if value else None
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date and date.tzinfo is None else date

"""What went wrong when a server that speaks the OpenAI API was called, in the words of `carteiro.models.failures`.

The statuses and codes are those of OpenAI's error guide (https://platform.openai.com/docs/guides/error-codes), of
Azure's (https://learn.microsoft.com/azure/ai-foundry/openai/how-to/content-filters) and of Google's
(https://ai.google.dev/gemini-api/docs/troubleshooting); where compatible servers differ, the comment names one that
does. Google's bodies are `[{"error": {...}}]`, with details as in google.rpc (`error_details.proto` in
googleapis/googleapis).

A provider's own message reaches the caller only where it is about the caller's request (400, 422). Others name
organisations and projects, or echo parts of the key, as OpenAI's own 401 does.
"""

import re
from collections.abc import Mapping
from typing import Any

from openai import APIConnectionError, APIStatusError

from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.retry_after import retry_after
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

_MESSAGE_LIMIT = 300
"""Most characters of a provider's message that are passed on."""

_TOO_LARGE = {"context_length_exceeded", "string_above_max_length", "exceed_context_size_error"}  # the last: llama.cpp
_TOO_LARGE_WORDS = re.compile(
    # vLLM and LiteLLM give no code; the last is Gemini's.
    "maximum context length|context window|token count .* exceeds the maximum"
)
_FILTERED = {
    "content_filter",
    "content_policy_violation",
    "invalid_prompt",  # reasoning models of OpenAI
    "ResponsibleAIPolicyViolation",  # Azure, as the inner error
}
_UNSUPPORTED = {"unsupported_parameter", "unsupported_value", "unknown_parameter"}
_UNSUPPORTED_WORDS = re.compile(
    # Chat Completions of OpenAI without a code, twice; Gemini, of a field that it does not know.
    "not supported with this model|unrecognized request argument|unknown name"
)
_UNPAID = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_WRONG_KEY = {"invalid_api_key", "API_KEY_INVALID"}  # the last: Gemini
_WRONG_KEY_WORDS = re.compile("(incorrect|invalid) api key|api key (not valid|expired)")  # xAI; Gemini
_WRONG_API = {"OperationNotSupported"}  # Azure
_WRONG_API_WORDS = re.compile("v1/(responses|completions|chat/completions)")  # OpenAI: "only supported in v1/responses"
_LATER = {408, 409, 425}


def failure_of(error: Exception, model: str, endpoint: Endpoint) -> ModelFailure:
    """The failure that `error`, raised by a call through the SDK, is for the caller of the model named `model`."""
    if isinstance(error, APIStatusError):
        return refusal(error.status_code, error.body, model, endpoint, error.response.headers)
    if isinstance(error, APIConnectionError):
        # The SDK's aiohttp transport reports a dropped connection as a timeout: the two cannot be told apart.
        return Unavailable(f"{model} cannot be reached, or dropped the connection")
    return Unavailable(f"The call of {model} failed ({type(error).__name__})")


def refusal(
    status: int, body: Any, model: str, endpoint: Endpoint, headers: Mapping[str, str] | None = None
) -> ModelFailure:
    """The failure that an answer with this status, which is an error, and this body is."""
    return _Refusal(status, body, model, endpoint, headers or {}).failure()


def filtered(model: str, what: str) -> ContentFiltered:
    """The failure for a prompt or a completion that a content filter stopped."""
    return ContentFiltered(f"The content filter of {model} stopped the {what}")


def rate_limited(model: str, wait: float | None = None, headers: Mapping[str, str] | None = None) -> RateLimited:
    """The failure for a call too many; `wait` is in seconds."""
    return RateLimited(f"{model} takes no more calls for now: its rate limit is reached", wait, headers)


def shortened(message: str) -> str:
    """A provider's message on one line, and as long as may be passed on."""
    message = " ".join(message.split())
    return message if len(message) <= _MESSAGE_LIMIT else message[: _MESSAGE_LIMIT - 1] + "…"


def refuses_credential(error: APIStatusError) -> bool:
    """Whether the provider does not know the key or token, so that another may do better."""
    return _wrong_key(error.status_code, error.body)


def _wrong_key(status: int, raw: Any) -> bool:
    body = _body(raw)
    return status == 401 or (
        status == 400 and bool(_reasons(body) & _WRONG_KEY or _WRONG_KEY_WORDS.search(_message(raw, body).lower()))
    )


class _Refusal:
    """One answer with a status that is an error."""

    def __init__(self, status: int, raw: Any, model: str, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        self._status, self._model, self._endpoint, self._headers = status, model, endpoint, headers
        self._wrong_key = _wrong_key(status, raw)
        self._body = _body(raw)
        self._reasons = _reasons(self._body)
        self._message = _message(raw, self._body)

    def failure(self) -> ModelFailure:
        status = self._status
        if self._wrong_key:
            return self._misconfigured(401)
        if status in (402, 429) or (status in (400, 403) and self._reasons & _UNPAID):  # 402: DeepSeek, OpenRouter
            return self._limited()
        if status in (400, 422):
            return self._turned_down()
        if status == 413:
            return PromptTooLarge(f"The prompt is too large for {self._model}")
        if status >= 500 or status in _LATER:
            return Unavailable(f"{self._model} failed with HTTP status {status}")
        return self._misconfigured(status)

    def _limited(self) -> ModelFailure:
        headers = {name.lower(): value for name, value in self._headers.items()}
        wait = retry_after(headers, self._body)
        if "request too large" in self._message.lower():  # OpenAI: more tokens than the limit of a whole minute
            return PromptTooLarge(f"The prompt is larger than the rate limit of {self._model} ever allows")
        if self._status == 402 or self._reasons & _UNPAID:
            advice = "is used up: check the provider's plan and billing"
            return QuotaExhausted(f"The quota of {self._model} {advice}", wait, headers)
        return rate_limited(self._model, wait, headers)

    def _turned_down(self) -> ModelFailure:
        """400 and 422: mostly, but not always, something is wrong with what the caller asked."""
        lowered = self._message.lower()
        if "FAILED_PRECONDITION" in self._reasons:  # Gemini: a country it does not serve, or billing that is off
            return self._misconfigured(403)
        if (
            self._reasons & {"model_not_found", *_WRONG_API} or self._body.get("param") == "model"  # LiteLLM
        ):
            return self._misconfigured(404)
        if self._reasons & _TOO_LARGE or _TOO_LARGE_WORDS.search(lowered):
            return PromptTooLarge(self._with_message(f"The prompt does not fit the context of {self._model}"))
        if self._reasons & _FILTERED:
            return filtered(self._model, "prompt")
        if self._reasons & _UNSUPPORTED or _UNSUPPORTED_WORDS.search(lowered):
            return Unsupported(self._with_message(f"{self._model} cannot do what was asked"))
        return InvalidPrompt(self._with_message(f"{self._model} turned the request down"))

    def _misconfigured(self, status: int) -> Misconfigured:
        variable = self._endpoint.credential.variable
        match status:
            case 401:
                advice = f"does not accept the credential: check {variable}"
            case 403:
                advice = f"denies access: check what {variable} is allowed to do, and {self._endpoint.check}"
            case 404 if self._reasons & _WRONG_API or _WRONG_API_WORDS.search(self._message):
                others = " or ".join(
                    f"?api={api}" for api in ("chat", "responses", "completions") if api != self._endpoint.api
                )
                advice = f"does not have the API that was called: end its name in {others}"
            case 404:
                advice = f"is not there: check {self._endpoint.check}"
            case _:
                advice = f"gave the unexpected HTTP status {status}: check {self._endpoint.check}"
        return Misconfigured(f"{self._model} {advice}")

    def _with_message(self, text: str) -> str:
        message = shortened(self._message)
        return f"{text}: {message}" if message else text


def _body(body: Any) -> Mapping[str, Any]:
    """The error in a body, out of its wrappings. Servers may send anything there, or no JSON at all."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    return body if isinstance(body, dict) else {}


def _reasons(body: Mapping[str, Any]) -> set[str]:
    """Every word in the error that is for programs."""
    inner, details = body.get("innererror"), body.get("details")
    found = [body.get("code"), body.get("type"), body.get("status")]
    found += [inner.get("code")] if isinstance(inner, dict) else []
    found += [each.get("reason") for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    return {reason for reason in found if isinstance(reason, str)}


def _message(raw: Any, body: Mapping[str, Any]) -> str:
    if isinstance(raw, str):  # the body is no JSON, or {"error": "..."}, as from Ollama and xAI
        return "" if raw.startswith("<") else raw
    message = body.get("message") or body.get("detail")  # detail: FastAPI, so Transformers' server
    return message if isinstance(message, str) else ""

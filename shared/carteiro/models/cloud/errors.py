"""Errors of calls to a server that speaks the OpenAI API, as failures of `carteiro.models.errors`.

`error_classifier` is the only classifier. It serves bodies with the status of an error, errors inside a 200, and errors
in a stream. The statuses and codes are those of OpenAI's error guide
(https://platform.openai.com/docs/guides/error-codes), of Azure's
(https://learn.microsoft.com/azure/ai-foundry/openai/how-to/content-filters), of Google's
(https://ai.google.dev/gemini-api/docs/troubleshooting) and of OpenRouter's
(https://openrouter.ai/docs/api/reference/errors-and-debugging). `error_patterns` has the codes of others.

A provider's own message reaches the caller only if it is about the caller's request. Other messages name organisations
and projects, or echo parts of the key, as OpenAI's own 401 does.
"""

from collections.abc import Mapping
from typing import Any

from openai import APIConnectionError, APIError, APIStatusError
from pydantic_core import from_json

from carteiro.models.cloud import error_patterns as words
from carteiro.models.cloud.endpoint import MAX_RETRY_AFTER_SECONDS, Endpoint
from carteiro.models.cloud.error_classifier import ERROR_IN_200, ErrorClassifier, ErrorKind
from carteiro.models.cloud.error_text import shorten
from carteiro.models.cloud.response_body import find_error
from carteiro.models.cloud.retry_after import retry_after
from carteiro.models.errors import (
    ContentFiltered,
    InvalidOutput,
    InvalidPrompt,
    Misconfigured,
    ModelError,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Unaffordable,
    Unavailable,
    Unsupported,
)

__all__ = [
    "failure_in",
    "failure_in_200",
    "failure_of",
    "failure_of_response",
    "filtered",
    "is_credential_rejected",
    "rate_limited",
    "shorten",
]


def failure_of(error: Exception, model: str, endpoint: Endpoint, request_body: Any = None) -> ModelError:
    """Return the failure for an `error` that a call through the SDK raised. `model` is the model's name in failures.

    `request_body` is the request's body: text from it that the provider repeats does not count as the provider's words.
    """
    if isinstance(error, APIStatusError):
        return failure_of_response(
            error.status_code, _whole_body(error), model, endpoint, error.response.headers, request_body
        )
    if isinstance(error, APIConnectionError):
        # The SDK's aiohttp transport reports a dropped connection as a timeout: the two cannot be told apart.
        return Unavailable(f"{model} cannot be reached, or dropped the connection")
    if isinstance(error, APIError):  # an event of a stream
        return _failure(ErrorClassifier(ERROR_IN_200, error.body, {}, request_body), model, endpoint)
    return Unavailable(f"The call of {model} failed ({type(error).__name__})")


def failure_of_response(
    status: int,
    body: Any,
    model: str,
    endpoint: Endpoint,
    headers: Mapping[str, str] | None = None,
    request_body: Any = None,
) -> ModelError:
    """Return the failure for an answer with this body and this status, which is an error.

    `request_body` is the request's body, if it is known: text from it that the provider repeats does not count as the
    provider's words.
    """
    return _failure(ErrorClassifier(status, body, headers or {}, request_body), model, endpoint)


def failure_in(
    answer: Any,
    model: str,
    endpoint: Endpoint | None,
    headers: Mapping[str, str] | None = None,
    request_body: Any = None,
) -> ModelError | None:
    """Return the failure in a body or an event that came with status 200; None if it holds no error."""
    error = find_error(answer)
    return None if error is None else failure_in_200(error, model, endpoint, headers, request_body)


def failure_in_200(
    error: Any,
    model: str,
    endpoint: Endpoint | None,
    headers: Mapping[str, str] | None = None,
    request_body: Any = None,
) -> ModelError:
    """Return the failure for an error that `find_error` found in a body or an event with status 200."""
    return _failure(ErrorClassifier(ERROR_IN_200, error, headers or {}, request_body), model, endpoint)


def filtered(model: str, what: str) -> ContentFiltered:
    """Return the failure for a prompt or a completion that a content filter stopped."""
    return ContentFiltered(f"The content filter of {model} stopped the {what}")


def rate_limited(model: str, wait: float | None = None, headers: Mapping[str, str] | None = None) -> RateLimited:
    """Return the failure for a call above the rate limit; `wait` is in seconds."""
    return RateLimited(f"{model} takes no more calls for now: its rate limit is reached", wait, headers)


def is_credential_rejected(error: APIStatusError) -> bool:
    """Return True if the provider does not know the key or token. A new one may be accepted."""
    return ErrorClassifier(error.status_code, _whole_body(error), {}).kind is ErrorKind.INVALID_CREDENTIAL


def _whole_body(error: APIStatusError) -> Any:
    """Return the complete body. The SDK keeps only the part under `error`."""
    try:
        return from_json(error.response.content)
    except Exception:  # noqa: BLE001 - no JSON, or a response that was never read
        return error.body


_PLAIN_FAILURES: dict[ErrorKind, tuple[type[ModelError], str]] = {
    ErrorKind.FILTERED: (ContentFiltered, "The content filter of {model} stopped the prompt"),
    ErrorKind.ABOVE_RATE_LIMIT: (PromptTooLarge, "The prompt is larger than the rate limit of {model} ever allows"),
    ErrorKind.FIREWALL: (Unavailable, "A firewall before {model} blocked the call"),
    ErrorKind.INVALID_OUTPUT: (InvalidOutput, "{model} failed to write the JSON that was asked for"),
    ErrorKind.UNKNOWN: (Unsupported, "{model} refused the request with HTTP status {status}"),
}
"""Failures without the provider's own words."""
_TOOL_FIELDS = ("tools", "tool_choice")
_QUOTING_FAILURES: dict[ErrorKind, tuple[type[ModelError], str]] = {
    ErrorKind.NO_ROUTE: (Unsupported, "{model} cannot do what was asked"),
    ErrorKind.UNSUPPORTED_FILE: (Unsupported, "{model} does not take the images, files or sounds of the request"),
    ErrorKind.UNSUPPORTED: (Unsupported, "{model} cannot do what was asked"),
    ErrorKind.OUTPUT_LIMIT: (InvalidPrompt, "{model} turned the request down"),
    ErrorKind.INVALID_REQUEST: (InvalidPrompt, "{model} turned the request down"),
    ErrorKind.TOO_LARGE: (PromptTooLarge, "The prompt does not fit the context of {model}"),
}
"""Failures that are about the request, with the provider's own words."""


def _failure(error: ErrorClassifier, model: str, endpoint: Endpoint | None) -> ModelError:
    kind = error.kind
    if kind is ErrorKind.TOO_EXPENSIVE:
        return _price_failure(error, model)
    if kind in (ErrorKind.QUOTA_EXHAUSTED, ErrorKind.RATE_LIMITED):
        return _rate_limit_failure(error, model, endpoint)
    if kind is ErrorKind.UNAVAILABLE:
        failed = f"failed with HTTP status {error.status}"
        return Unavailable(
            f"{model} {failed if error.status != ERROR_IN_200 else 'answered with an error instead of a completion'}"
        )
    if kind in _PLAIN_FAILURES:
        plain, text = _PLAIN_FAILURES[kind]
        return plain(text.format(model=model, status=error.status))
    if kind in _QUOTING_FAILURES:
        quoting, text = _QUOTING_FAILURES[kind]
        text = text.format(model=model)
        # 413 may come from a proxy that counts bytes and not tokens.
        text = f"The prompt is too large for {model}" if error.status == 413 else text
        shown = "" if error.status in (403, 413) or error.status >= 500 else error.text.safe_message()
        if kind is ErrorKind.INVALID_REQUEST and error.option in _TOOL_FIELDS:
            quoting = Unsupported  # The next model of a chain may have tools, or take the schema of their parameters.
        return quoting(f"{text}: {shown}" if shown else text, error.option)
    return _configuration_failure(error, model, endpoint)


def _price_failure(error: ErrorClassifier, model: str) -> ModelError:
    if error.is_prompt_too_expensive():
        return PromptTooLarge(f"The prompt is larger than the account at {model}'s provider can pay for")
    return Unaffordable(f"The account at {model}'s provider cannot pay for a request of this size")


def _rate_limit_failure(error: ErrorClassifier, model: str, endpoint: Endpoint | None) -> RateLimited:
    longest = endpoint.max_retry_after if endpoint else MAX_RETRY_AFTER_SECONDS
    wait = retry_after(error.headers, error.body.retry_delay, error.text.words, longest)
    if error.kind is ErrorKind.RATE_LIMITED:
        return rate_limited(model, wait, error.headers)
    advice = "is used up: check the provider's plan and billing"
    return QuotaExhausted(f"The quota of {model} {advice}", wait, error.headers)


def _configuration_failure(error: ErrorClassifier, model: str, endpoint: Endpoint | None) -> Misconfigured:
    variable = endpoint.credential.variable if endpoint else "the credential"
    check = endpoint.not_found_hint if endpoint else "the model's name"
    match error.kind:
        case ErrorKind.INVALID_CREDENTIAL:
            advice = f"does not accept the credential: check {variable}"
        case ErrorKind.PERMISSION_DENIED:
            advice = f"denies access: check what {variable} is allowed to do, and {check}"
        case ErrorKind.MODEL_NOT_FOUND if endpoint and (
            error.has_code(words.WRONG_API) or words.WRONG_API_WORDS.search(error.body.message)
        ):
            others = " or ".join(f"?api={api}" for api in ("chat", "responses", "completions") if api != endpoint.api)
            advice = f"does not have the API that was called: end its name in {others}"
        case ErrorKind.MODEL_NOT_FOUND:
            advice = f"is not there: check {check}"
        case _:
            advice = f"gave the unexpected HTTP status {error.status}: check {check}"
    return Misconfigured(f"{model} {advice}")

"""Classifier of errors by their codes, their status and their wording."""

import re
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import cached_property
from typing import Any

from carteiro.models.cloud import error_patterns as words
from carteiro.models.cloud.content_parts import has_files
from carteiro.models.cloud.error_body import ErrorBody, parse_error_body
from carteiro.models.cloud.error_text import ErrorText
from carteiro.models.cloud.rejected_option import (
    PROMPT_FIELDS,
    QUOTED_FIELD_NAMES,
    rejected_option,
    request_field_name,
    top_level_field,
)
from carteiro.models.cloud.request_format import LIMIT_FIELDS

ERROR_IN_200 = 200
"""Status of an error in a 200 answer, if the error does not name a status."""
_REJECTED_STATUSES = {400, 422}
"""Statuses that mostly mean a fault in the request."""
_TRANSIENT_STATUSES = {408, 409, 423, 424, 425, 444, 460, 498, 499}
"""Statuses of transient errors. Among them are a failed upstream (424, TGI), no capacity (498, Groq), and a caller or
proxy that hung up (499)."""
_ADDRESS_STATUSES = {301, 302, 303, 305, 307, 308, 405, 407, 421}
"""Statuses that mean a wrong address or proxy in the settings, whatever the request is."""
_MIN_AFFORDABLE_TOKENS = 16
"""Affordable tokens, by OpenRouter's message, below which the account is empty."""


class ErrorKind(Enum):
    """Kinds of errors. The first kind that fits counts, in the order of `_CLASSIFIERS`."""

    TOO_EXPENSIVE = auto()
    """The account cannot pay for this request, but perhaps for others."""
    FILTERED = auto()
    QUOTA_EXHAUSTED = auto()
    """The account, or the key's budget at a gateway, is used up."""
    ABOVE_RATE_LIMIT = auto()
    """The request needs more than a whole minute's limit of tokens."""
    RATE_LIMITED = auto()
    INVALID_CREDENTIAL = auto()
    NO_ROUTE = auto()
    """A router knows the model, but no provider of the model takes the options."""
    FIREWALL = auto()
    OUTPUT_LIMIT = auto()
    """The limit of output tokens is wrong, whatever the prompt is."""
    INVALID_OUTPUT = auto()
    TOO_LARGE = auto()
    PERMISSION_DENIED = auto()
    MODEL_NOT_FOUND = auto()
    UNSUPPORTED_FILE = auto()
    """The model takes no images, or no files or sounds."""
    UNSUPPORTED = auto()
    INVALID_REQUEST = auto()
    WRONG_ADDRESS = auto()
    UNAVAILABLE = auto()
    UNKNOWN = auto()
    """Any other 4xx. It is taken to be about the request."""


class ErrorClassifier:
    """One error. `status` is its HTTP status, `raw` its body, `request_body` the body of the request if it is known."""

    def __init__(self, status: int, raw: Any, headers: Mapping[str, str], request_body: Any = None) -> None:
        self.body = parse_error_body(raw)
        self.status = _effective_status(status, self.body)
        self.headers = self.body.headers | {name.lower(): value for name, value in headers.items()}
        self.text = ErrorText(self.body.messages, QUOTED_FIELD_NAMES, request_body)
        self._request_body = request_body

    @cached_property
    def kind(self) -> ErrorKind:
        """The kind of error."""
        return next((kind for kind, test in _CLASSIFIERS if test(self)), ErrorKind.UNKNOWN)

    @cached_property
    def option(self) -> str | None:
        """The field of the request's body that the error is about, if the error names it."""
        kind = self.kind
        if kind is ErrorKind.UNSUPPORTED_FILE:
            return "messages"
        if kind is ErrorKind.TOO_LARGE:
            return self._limit_option() if self.body.param in LIMIT_FIELDS or self._fits_without_completion() else None
        if kind is ErrorKind.OUTPUT_LIMIT:
            named = self._named_option()
            return named if named in LIMIT_FIELDS else self._limit_option()
        return (
            self._named_option()
            if kind in (ErrorKind.UNSUPPORTED, ErrorKind.INVALID_REQUEST, ErrorKind.NO_ROUTE)
            else None
        )

    def has_code(self, *patterns: re.Pattern[str]) -> bool:
        """Return True if one of the error's codes matches one of the patterns."""
        return any(pattern.fullmatch(reason) for pattern in patterns for reason in self.body.codes)

    def matches(self, pattern: re.Pattern[str]) -> bool:
        """Return True if the provider's own words match the pattern."""
        return self.text.matches(pattern)

    def is_prompt_too_expensive(self) -> bool:
        """Return True if the account could pay for a shorter prompt."""
        return self.matches(words.PROMPT_TOO_EXPENSIVE_WORDS)

    def is_too_expensive(self) -> bool:
        if self.status >= 500 or not (self.has_code(words.TOO_EXPENSIVE) or self.matches(words.TOO_EXPENSIVE_WORDS)):
            return self.status < 500 and self.is_prompt_too_expensive()
        afforded = words.AFFORDABLE_TOKENS.search(self.text.words)
        return afforded is None or int(afforded[1]) >= _MIN_AFFORDABLE_TOKENS

    def is_filtered_by_code(self) -> bool:
        """Return True if a code, and not only the wording, names a filter."""
        if self.status in (401, 429):
            return False
        return self.status == 451 or (self.body.flagged and self.status == 403) or self.has_code(words.FILTERED)

    def is_quota_exhausted(self) -> bool:
        if self.status in (404, 413):
            return False
        if self.status == 402 or self.has_code(words.QUOTA_EXHAUSTED) or self.matches(words.QUOTA_EXHAUSTED_WORDS):
            return True
        return self.matches(words.PLAN_WORDS) and "resource_exhausted" not in self.body.codes

    def is_above_rate_limit(self) -> bool:
        if not self.is_rate_limited():
            return False
        if self.status == 413 or self.matches(words.ABOVE_RATE_LIMIT_WORDS):
            return True
        numbers = words.REQUESTED_OF_LIMIT.search(self.text.words)
        return numbers is not None and int(numbers[2]) > int(numbers[1])

    def is_rate_limited(self) -> bool:
        if self.status in (420, 429, 529):
            return True
        if self.status in (401, 404):
            return False
        if self.status == 503 and "retry-after" in self.headers:
            return True
        return self.has_code(words.RATE_LIMITED) or self.matches(words.RATE_LIMITED_WORDS)

    def is_invalid_credential(self) -> bool:
        if self.status == 401:
            return True
        coded = self.has_code(words.INVALID_CREDENTIAL) or self.matches(words.INVALID_CREDENTIAL_WORDS)
        return coded and self.status in (ERROR_IN_200, 400, 403)

    def is_filtered_by_wording(self) -> bool:
        return self.status != 404 and self.matches(words.FILTERED_WORDS)

    def is_unsupported_file(self) -> bool:
        # llama.cpp's server answers 500.
        if self.status in (401, 403, 408, 413) or self.status > 501 or not self._has_files:
            return False
        return self.matches(words.UNSUPPORTED_FILE_WORDS) and not self.matches(words.FILE_TOO_LARGE_WORDS)

    def is_no_route(self) -> bool:
        return self.status == 404 and self.matches(words.NO_ROUTE_WORDS)

    def is_firewall(self) -> bool:
        return self.status == 403 and self.matches(words.BLOCKED_PAGE_WORDS)

    def is_invalid_output(self) -> bool:
        return self.has_code(words.INVALID_OUTPUT) or self.matches(words.INVALID_OUTPUT_WORDS)

    def is_output_limit(self) -> bool:
        if self.status >= 500 or self.status in (403, 404, 410, 413):
            return False
        if self.matches(words.OUTPUT_LIMIT_WORDS):
            return True
        return self.body.param in LIMIT_FIELDS and not self.has_code(words.UNSUPPORTED, words.TOO_LARGE)

    def is_too_large(self) -> bool:
        if self.status == 413:
            return True
        about = top_level_field(self.body.param)
        if self.status in (404, 410) or (about is not None and about not in (*PROMPT_FIELDS, *LIMIT_FIELDS)):
            return False
        if self.matches(words.INVALID_SCHEMA_WORDS):
            return False
        if self._has_files and self.matches(words.FILE_TOO_LARGE_WORDS):
            return True
        return self.has_code(words.TOO_LARGE) or self.matches(words.TOO_LARGE_WORDS)

    def is_permission_denied(self) -> bool:
        if self.status == 403:
            return True
        return self._is_request_rejected() and (
            self.has_code(words.PERMISSION_DENIED) or self.matches(words.PERMISSION_DENIED_WORDS)
        )

    def is_model_not_found(self) -> bool:
        if self.status in (404, 410):
            return True
        if not self._is_request_rejected():
            return False
        # LiteLLM names the parameter `model`.
        not_found = self.has_code(words.MODEL_NOT_FOUND, words.WRONG_API) or self.matches(words.MODEL_NOT_FOUND_WORDS)
        return not_found or self.body.param == "model"

    def is_unsupported(self) -> bool:
        if not self._is_request_rejected() or self.matches(words.INVALID_SCHEMA_WORDS):
            return False
        if self.has_code(words.UNSUPPORTED):
            return True
        return self.matches(words.UNSUPPORTED_WORDS) and (
            self.status != ERROR_IN_200 or self._named_option() is not None
        )

    def is_invalid_request(self) -> bool:
        if self.status in (ERROR_IN_200, 500):
            return self.matches(words.INVALID_SCHEMA_WORDS)
        return self.status in _REJECTED_STATUSES

    def is_wrong_address(self) -> bool:
        return self.status in _ADDRESS_STATUSES

    def is_unavailable(self) -> bool:
        return self.status < 400 or self.status >= 500 or self.status in _TRANSIENT_STATUSES

    def _is_request_rejected(self) -> bool:
        return self.status in _REJECTED_STATUSES or self.status == ERROR_IN_200

    @cached_property
    def _has_files(self) -> bool:
        return has_files(self._request_body) or (self._request_body is None and self.matches(words.FILE_WORDS))

    def _named_option(self) -> str | None:
        return rejected_option(self.body, self.body.message, self._request_body)

    def _limit_option(self) -> str | None:
        return request_field_name("max_tokens", self._request_body)

    def _fits_without_completion(self) -> bool:
        """Return True if the message counts prompt and completion, and the prompt needs less than the context."""
        message = self.text.words
        if not words.COMPLETION_WORDS.search(message):
            return False
        context, prompt = _numbers(words.CONTEXT_TOKENS, message), _numbers(words.PROMPT_TOKENS, message)
        return bool(context and prompt) and prompt[0] < max(context)


_CLASSIFIERS: tuple[tuple[ErrorKind, Callable[[ErrorClassifier], bool]], ...] = (
    (ErrorKind.TOO_EXPENSIVE, ErrorClassifier.is_too_expensive),
    (ErrorKind.FILTERED, ErrorClassifier.is_filtered_by_code),
    (ErrorKind.QUOTA_EXHAUSTED, ErrorClassifier.is_quota_exhausted),
    (ErrorKind.ABOVE_RATE_LIMIT, ErrorClassifier.is_above_rate_limit),
    (ErrorKind.RATE_LIMITED, ErrorClassifier.is_rate_limited),
    (ErrorKind.INVALID_CREDENTIAL, ErrorClassifier.is_invalid_credential),
    (ErrorKind.FILTERED, ErrorClassifier.is_filtered_by_wording),
    (ErrorKind.UNSUPPORTED_FILE, ErrorClassifier.is_unsupported_file),
    (ErrorKind.NO_ROUTE, ErrorClassifier.is_no_route),
    (ErrorKind.FIREWALL, ErrorClassifier.is_firewall),
    (ErrorKind.INVALID_OUTPUT, ErrorClassifier.is_invalid_output),
    (ErrorKind.OUTPUT_LIMIT, ErrorClassifier.is_output_limit),
    (ErrorKind.TOO_LARGE, ErrorClassifier.is_too_large),
    (ErrorKind.PERMISSION_DENIED, ErrorClassifier.is_permission_denied),
    (ErrorKind.MODEL_NOT_FOUND, ErrorClassifier.is_model_not_found),
    (ErrorKind.UNSUPPORTED, ErrorClassifier.is_unsupported),
    (ErrorKind.INVALID_REQUEST, ErrorClassifier.is_invalid_request),
    (ErrorKind.WRONG_ADDRESS, ErrorClassifier.is_wrong_address),
    (ErrorKind.UNAVAILABLE, ErrorClassifier.is_unavailable),
)
"""Tests of the kinds, in order. Codes come before wordings, and the account comes before the request."""


def _effective_status(status: int, body: ErrorBody) -> int:
    """Return the status that counts: the provider's behind a gateway, if the gateway's own status is not specific."""
    if body.status is not None and (status in (ERROR_IN_200, 400, 422) or status >= 500):
        return body.status
    if status == ERROR_IN_200:
        coded = (code for code, pattern in words.STATUSES.items() if any(map(pattern.fullmatch, body.codes)))
        return next(coded, ERROR_IN_200)
    return status


def _numbers(pattern: re.Pattern[str], text: str) -> list[int]:
    found = (next((group for group in match.groups() if group), "") for match in pattern.finditer(text))
    return [int(number.replace(",", "")) for number in found if 0 < len(number) < 16]

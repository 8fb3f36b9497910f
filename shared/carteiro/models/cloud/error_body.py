"""The error in a provider's body, found inside its wrappings.

The shapes: OpenAI `{"error": {"message", "type", "param", "code"}}`; Azure, with an `innererror`; Google `[{"error":
{"code", "message", "status", "details"}}]` (`google/rpc/error_details.proto` in googleapis/googleapis); Anthropic
`{"type": "error", "error": {"type", "message"}}`; vLLM and Mistral `{"object": "error", "message", ...}`; FastAPI
`{"detail": [{"loc", "msg", "type"}]}`; Ollama and xAI `{"error": "text"}`; Cloudflare `{"errors": [...]}`; OpenRouter
`{"error": {"code", "message", "metadata": {"raw", "provider_name"}}}`, its `raw` JSON in a string; MiniMax
`{"base_resp": {"status_code", "status_msg"}}`; LiteLLM and other gateways: JSON after words in the message.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

MAX_MESSAGE_CHARACTERS = 4000
"""Characters of a message that are read."""
_MAX_DEPTH, _MAX_MESSAGES, _MAX_ITEMS = 12, 8, 20
_NESTED_FIELDS = (
    "error",
    "errors",
    "innererror",
    "inner_error",
    "base_resp",
    "response",
    "details",
    "metadata",
    "raw",
)
_MESSAGE_FIELDS = (
    "message",
    "msg",
    "status_msg",
    "detail",
    "title",
    "error_msg",
    "errorMessage",
    "error_description",
    "Message",
)
_CODE_FIELDS = (
    "status_code",
    "code",
    "type",
    "status",
    "reason",
    "error_type",
    "error_code",
    "errorCode",
    "__type",
    "limit_source",
    "Code",
)
_STATUS_FIELDS = ("code", "status", "status_code", "statusCode", "http_code", "http_status", "error_code")
_EMBEDDED = re.compile(
    r"(?:^|exception\b\W{1,4}|error code: \d{3}\W{1,4}|(?:error|body|response|details|data)\b ?[:=] ?)"
    r"b?['\"]?([\[{].*)",
    re.IGNORECASE | re.DOTALL,
)
_EXCEPTION_NAME = re.compile(r"\s*(?:\w+\.)*(\w+(?:Error|Exception|Timeout))\s*(?::|-|$)\s*")
"""Name of an exception before a message, as LiteLLM and other gateways write it."""
_HTML_PAGE = re.compile(r"<[!?a-z]", re.IGNORECASE)
_VALIDATION = re.compile(r"validation errors? for \w+\s+([a-z_]\w*)")
"""pydantic's words for an error. They name the field on the second line."""


@dataclass(slots=True)
class ErrorBody:
    """An error as its provider describes it."""

    status: int | None = None
    """HTTP status in the body. The innermost status is that of the provider behind a gateway."""
    codes: set[str] = field(default_factory=set)
    """Codes in the error, which are written for programs, in lower case."""
    messages: list[str] = field(default_factory=list)
    param: str | None = None
    flagged: bool = False
    """True if the error names a part of the request that a filter flagged."""
    retry_delay: str | None = None
    """Delay in a `google.rpc.RetryInfo`."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of the provider that the body quotes, with names in lower case."""

    @property
    def message(self) -> str:
        """The innermost message, which is that of the provider that refused."""
        return self.messages[-1] if self.messages else ""


def parse_error_body(raw: Any) -> ErrorBody:
    """Read the error in a body; `raw` is its JSON, or its text if it is not JSON."""
    found = ErrorBody()
    _collect(raw, found, 0)
    return found


def _collect(value: Any, found: ErrorBody, depth: int) -> None:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        _collect_text(value, found, depth)
    elif isinstance(value, list):
        for each in value[:_MAX_ITEMS]:
            _collect(each, found, depth + 1)
    elif isinstance(value, dict):
        _collect_object(value, found, depth)


def _collect_object(value: Mapping[str, Any], found: ErrorBody, depth: int) -> None:
    if "loc" in value and "msg" in value:
        _collect_invalid_field(value, found)
        return
    for name in _STATUS_FIELDS:
        if (status := _status(value.get(name))) is not None:
            found.status = status
    for name in _CODE_FIELDS:
        reason = value.get(name)
        if isinstance(reason, str | int) and not isinstance(reason, bool):
            found.codes.add(str(reason)[:100].lower())
    if isinstance(param := value.get("param"), str) and param:
        found.param = param
    if value.get("flagged_input") or value.get("reasons"):
        found.flagged = True
    if str(value.get("@type")).endswith("google.rpc.RetryInfo") and isinstance(value.get("retryDelay"), str):
        found.retry_delay = value["retryDelay"]
    if isinstance(headers := value.get("headers"), dict):
        found.headers |= {str(name).lower(): str(each) for name, each in list(headers.items())[:_MAX_ITEMS]}
    for name in (*_MESSAGE_FIELDS, *_NESTED_FIELDS):
        _collect(value.get(name), found, depth + 1)


def _collect_invalid_field(value: Mapping[str, Any], found: ErrorBody) -> None:
    """Collect one entry of FastAPI's list. Its `input`, the caller's own text, is left out."""
    loc = value["loc"] if isinstance(value["loc"], list | tuple) else []
    path = [str(part) for part in loc if part not in ("body", "query")][:6]
    if path and found.param is None:
        found.param = path[0]
    found.codes.add(str(value.get("type"))[:100].lower())
    _add_message(f"{'.'.join(path)}: {value['msg']}" if path else str(value["msg"]), found)


def _collect_text(text: str, found: ErrorBody, depth: int) -> None:
    text = text[:MAX_MESSAGE_CHARACTERS].strip()
    if _HTML_PAGE.match(text):  # This is a page of a proxy: only its title is of use.
        title = re.search(r"<title>([^<]{1,100})", text, re.IGNORECASE)
        return _add_message(title[1] if title else "", found)
    while match := _EXCEPTION_NAME.match(text):
        found.codes.add(match[1].lower())
        text = text[match.end() :]
    if embedded := _EMBEDDED.search(text):
        value = parse_json_or_repr(embedded[1])
        if isinstance(value, dict | list):
            _add_message(text[: embedded.start(1)].rstrip(" b'\"-:"), found)
            return _collect(value, found, depth + 1)
    if (invalid := _VALIDATION.search(text)) and found.param is None:
        found.param = invalid[1]
    _add_message(text, found)
    return None


def _add_message(message: str, found: ErrorBody) -> None:
    if message and message not in found.messages and len(found.messages) < _MAX_MESSAGES:
        found.messages.append(message[:MAX_MESSAGE_CHARACTERS])


def _status(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) == 3:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600 else None


def parse_json_or_repr(text: str) -> Any:
    """Return the value of JSON, or of Python's `repr` of it. Ignore text after it. Return None for any other text."""
    end = max(text.rfind("}"), text.rfind("]")) + 1
    try:
        return from_json(text[:end])
    except ValueError:
        pass
    try:
        return ast.literal_eval(text[:end])
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None

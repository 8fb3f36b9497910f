"""The lines of a batch's files, in and out (https://platform.openai.com/docs/api-reference/batch/request-input)."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from carteiro.models.cloud.batches.interface import LineResult
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.errors import refusal
from carteiro.models.cloud.parts import Part
from carteiro.models.failures import ModelFailure, Unavailable

LONGEST = 64 * 2**20
"""Most bytes of a result's line. What is longer cannot be read."""

_BREAKS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""JSON allows these as they are; some readers would take them for the end of the line."""
_UNDONE = {
    "batch_expired": "the batch expired before the request was done",
    "batch_cancelled": "the batch was cancelled before the request was done",
}
"""https://platform.openai.com/docs/api-reference/batch/request-output"""
_STATUSES = {3: 400, 5: 404, 7: 403, 8: 429, 9: 400, 11: 400, 12: 400, 16: 401}
"""HTTP's for those of Google's codes that are not its own fault (`google/rpc/code.proto` in googleapis/googleapis)."""
_STATUS_WORDS = {"rate_limit_exceeded": 429, "insufficient_quota": 429, "model_not_found": 404}
_TURNED_DOWN = re.compile("^(invalid|unsupported|unknown_parameter|context_length|string_above|content_|ResponsibleAI)")
"""Codes that are about the request itself, so that it would be turned down again."""


def encode(id: str, path: str, body: dict[str, Any]) -> bytes:  # noqa: A002
    """One line of an input file, with its newline."""
    text = json.dumps(
        {"custom_id": id, "method": "POST", "url": path, "body": body}, ensure_ascii=False, separators=(",", ":")
    )
    for character, escaped in _BREAKS.items():
        text = text.replace(character, escaped)
    return f"{text}\n".encode()


async def split(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a file that comes in pieces, without blank ones. Only a line feed ends a line."""
    begun = bytearray()
    async for piece in pieces:
        *ended, rest = piece.split(b"\n")
        for part in ended:
            begun += part
            if line := begun.strip():
                yield bytes(line)
            begun.clear()
        begun += rest
        del begun[LONGEST:]
    if line := begun.strip():
        yield bytes(line)


def read(line: bytes, name: str, endpoint: Endpoint) -> LineResult | None:
    """What a line of an output or error file says; None where it cannot be read. `name` is what failures call the
    model."""
    try:
        result = _Result.model_validate_json(line)
    except ValidationError:
        return None
    response = result.response
    if response is None or (response.status_code is None and response.body is None):
        return LineResult(result.custom_id, failure=_unanswered(result.error, name, endpoint))
    body = _unwrapped(response.body)
    status = response.status_code or (502 if result.error else 200)
    if status < 400:
        return LineResult(result.custom_id, answer=body)
    error = body.get("error", body) if isinstance(body, dict) else body
    return LineResult(result.custom_id, failure=refusal(status, error or result.error, name, endpoint))


def _unanswered(error: Any, name: str, endpoint: Endpoint) -> ModelFailure:
    """A request that never got an HTTP answer. Unless it is known to be at fault itself, it may be sent again."""
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code.isdecimal():
        code = int(code)
    if isinstance(code, int):
        return refusal(code if code >= 400 else _STATUSES.get(code, 503), error, name, endpoint)
    if isinstance(code, str):
        if code in _UNDONE:
            return Unavailable(f"{name} gave no answer: {_UNDONE[code]}")
        if code in _STATUS_WORDS or _TURNED_DOWN.search(code):
            return refusal(_STATUS_WORDS.get(code, 400), error, name, endpoint)
    return Unavailable(f"{name} gave no answer in the batch")


def _unwrapped(body: Any) -> Any:
    """A body that was put in as text is JSON none the less."""
    if isinstance(body, str):
        try:
            return from_json(body)
        except ValueError:
            return body
    return body


class _Response(Part):
    status_code: int | None = None
    body: Any = None


class _Result(Part):
    custom_id: str
    response: _Response | None = None
    error: Any = None

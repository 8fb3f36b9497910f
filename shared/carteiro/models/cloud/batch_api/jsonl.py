"""The lines of a batch's input and output files (https://platform.openai.com/docs/api-reference/batch/request-input)."""

import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import structlog

from carteiro.models.cloud.batch_api.interface import BatchItemResult
from carteiro.models.cloud.completion_builder import ResponsePart
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.errors import failure_in, failure_of_response
from carteiro.models.cloud.response_body import parse_lenient_json
from carteiro.models.errors import ModelError, Unavailable

log = structlog.get_logger("carteiro.models")

MAX_LINE_BYTES = 64 * 2**20
"""Maximum bytes of a result's line. A longer line is unreadable."""

_LINE_SEPARATORS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Characters that JSON allows as they are, although some readers take them for the end of a line."""
_UNFINISHED = {
    "batch_expired": "the batch expired before the request was done",
    "batch_cancelled": "the batch was cancelled before the request was done",
}
"""Messages for codes of requests that were not done
(https://platform.openai.com/docs/api-reference/batch/request-output)."""
_HTTP_STATUS_BY_GRPC = {3: 400, 5: 404, 7: 403, 8: 429, 9: 400, 11: 400, 12: 400, 16: 401}
"""HTTP statuses for those of Google's codes that are not its own fault (`google/rpc/code.proto` in
googleapis/googleapis)."""
_HTTP_STATUS_BY_CODE = {"rate_limit_exceeded": 429, "insufficient_quota": 429, "model_not_found": 404}
_REJECTION_CODES = re.compile(
    "^(invalid|unsupported|unknown_parameter|context_length|string_above|content_|ResponsibleAI)"
)
"""Codes of errors in the request itself. The same request would be rejected again."""


def encode_line(id: str, path: str, body: dict[str, Any]) -> bytes:  # noqa: A002
    """Return one line of an input file, with its newline."""
    text = json.dumps(
        {"custom_id": id, "method": "POST", "url": path, "body": body}, ensure_ascii=False, separators=(",", ":")
    )
    for character, escaped in _LINE_SEPARATORS.items():
        text = text.replace(character, escaped)
    return f"{text}\n".encode()


async def split_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a file that comes in pieces, without blank lines. Only a line feed ends a line."""
    begun = bytearray()
    async for piece in chunks:
        *ended, rest = piece.split(b"\n")
        for part in ended:
            begun += part
            if line := begun.strip():
                yield bytes(line)
            begun.clear()
        begun += rest
        del begun[MAX_LINE_BYTES:]
    if line := begun.strip():
        yield bytes(line)


async def read_results(
    chunks: AsyncIterator[bytes], parse: Callable[[bytes], BatchItemResult | None], batch: str, file: str
) -> AsyncIterator[BatchItemResult]:
    """Yield the results in a file that comes in pieces. `parse` returns None for an unreadable line; it is left out.

    `batch` and `file` are ids for the log.
    """
    unreadable = 0
    async for line in split_lines(chunks):
        result = parse(line)
        if result is None:
            unreadable += 1
        else:
            yield result
    if unreadable:
        log.warning("lines of a batch's results cannot be read", batch=batch, file=file, lines=unreadable)


def parse_result(line: bytes, model_name: str, endpoint: Endpoint) -> BatchItemResult | None:
    """Parse a line of an output or error file. Return None if it is unreadable.

    `model_name` is the model's name in failures.
    """
    try:
        result = _ResultLine.model_validate(parse_lenient_json(line.decode(errors="surrogateescape")))
    except ValueError:  # pydantic's `ValidationError` is a `ValueError`.
        return None
    response = result.response
    if response is None or (response.status_code is None and response.body is None):
        return BatchItemResult(result.custom_id, error=_error_without_response(result.error, model_name, endpoint))
    body = _decode_if_text(response.body)
    status = response.status_code or (502 if result.error else 200)
    if status < 400:
        if failure := failure_in(body, model_name, endpoint):
            return BatchItemResult(result.custom_id, error=failure)
        return BatchItemResult(result.custom_id, answer=body)
    return BatchItemResult(
        result.custom_id, error=failure_of_response(status, body or result.error, model_name, endpoint)
    )


def _error_without_response(error: Any, model_name: str, endpoint: Endpoint) -> ModelError:
    """Return the failure of a request without an HTTP answer. It is retryable unless the request itself is at fault."""
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code.isdecimal():
        code = int(code)
    if isinstance(code, int):
        return failure_of_response(
            code if code >= 400 else _HTTP_STATUS_BY_GRPC.get(code, 503), error, model_name, endpoint
        )
    if isinstance(code, str):
        if code in _UNFINISHED:
            return Unavailable(f"{model_name} gave no answer: {_UNFINISHED[code]}")
        if code in _HTTP_STATUS_BY_CODE or _REJECTION_CODES.search(code):
            return failure_of_response(_HTTP_STATUS_BY_CODE.get(code, 400), error, model_name, endpoint)
    return Unavailable(f"{model_name} gave no answer in the batch")


def _decode_if_text(body: Any) -> Any:
    """Return the JSON of a body that the provider encoded as text; any other body as it is."""
    if isinstance(body, str):
        try:
            return parse_lenient_json(body)
        except ValueError:
            return body
    return body


class _LineResponse(ResponsePart):
    status_code: int | None = None
    body: Any = None


class _ResultLine(ResponsePart):
    custom_id: str
    response: _LineResponse | None = None
    error: Any = None

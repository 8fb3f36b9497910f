"""The parser of requests: from a record's bytes to a request, or to an error that names the wrong fields."""

import asyncio
from typing import Any, TypeVar

from pydantic import ValidationError

from carteiro.schemas import ErrorCode, ErrorDetail, FieldError, Request
from carteiro.schemas.field_errors import field_errors
from carteiro.wire.envelope import Envelope
from carteiro.wire.json_event import SCHEMA_HINT
from carteiro.wire.record import BYTE_ORDER_MARK, MAX_REQUEST_BYTES, PARSE_IN_THREAD_BYTES, UNKNOWN_SIZE

RequestT = TypeVar("RequestT", bound=Request[Any])

_MAX_FIELDS = 20
_MAX_NAME_CHARS = 200
_MAX_REASON_CHARS = 500


class RequestRejected(Exception):
    """A request that gets an error reply because it is invalid, too large, unsupported or expired."""

    def __init__(self, code: ErrorCode, message: str, fields: list[FieldError] | None = None) -> None:
        super().__init__(message)
        self.error = ErrorDetail(code=code, message=message, retryable=False, fields=fields or [])


async def parse_request(request: type[RequestT], envelope: Envelope) -> RequestT:
    """Return the request in an envelope. A thread parses a large one. Raise any error of `read_request`."""
    if len(envelope.body) >= PARSE_IN_THREAD_BYTES:
        return await asyncio.to_thread(read_request, request, envelope)
    return read_request(request, envelope)


def read_request(request: type[RequestT], envelope: Envelope) -> RequestT:
    """Return the request in an envelope.

    A UTF-8 byte order mark before the JSON, which .NET writes, is skipped (RFC 8259, section 8.1). Raise
    `RequestRejected` with the wrong fields and the reasons, without their values.
    """
    size = max(envelope.size, len(envelope.body))
    if size == UNKNOWN_SIZE:
        reason = f"came in a batch that takes too long to unpack; a request has at most {MAX_REQUEST_BYTES:,} bytes"
        raise RequestRejected("too_large", f"value: {reason}", [FieldError(field="value", reason=reason)])
    if size > MAX_REQUEST_BYTES:
        raise RequestRejected(
            "too_large",
            f"value: has {size:,} bytes; a request has at most {MAX_REQUEST_BYTES:,}",
            [FieldError(field="value", reason=f"has {size:,} bytes; at most {MAX_REQUEST_BYTES:,}")],
        )
    if envelope.problems:
        raise _rejection("invalid_request", list(envelope.problems))
    body = envelope.body.removeprefix(BYTE_ORDER_MARK)
    if not body.strip():
        raise _rejection("unreadable", [FieldError(field="value", reason="is empty; a request is a JSON object")])
    try:
        return request.model_validate_json(body)
    except ValidationError as error:
        fields = field_errors(error, root="value", limit=_MAX_FIELDS)
        # The sender chooses the names of unknown fields, which may have any length.
        fields = [FieldError(field=each.field[:_MAX_NAME_CHARS], reason=each.reason) for each in fields]
        unreadable = fields[0].reason.startswith("is not JSON: ")
        if unreadable and body.startswith(b"\0"):
            fields = [FieldError(field="value", reason=f"is not JSON; {SCHEMA_HINT}")]
        raise _rejection("unreadable" if unreadable else "invalid_request", fields, count=error.error_count()) from None


def invalid_field(problem: FieldError) -> RequestRejected:
    """Return an `invalid_request` rejection for one wrong field."""
    return RequestRejected("invalid_request", f"{problem.field}: {problem.reason}", [problem])


def _rejection(code: ErrorCode, fields: list[FieldError], count: int | None = None) -> RequestRejected:
    """Return a rejection. `count` is the number of problems if `fields` are only the first of them."""
    count = count or len(fields)
    # A reason may quote the sender's text, of any length. The reply must stay small enough to be sent.
    fields = [FieldError(field=each.field, reason=each.reason[:_MAX_REASON_CHARS]) for each in fields]
    message = "; ".join(f"{each.field}: {each.reason}" for each in fields[:3])
    if count > 3:
        message += f"; and {count - 3} more"
    return RequestRejected(code, message, fields[:_MAX_FIELDS])

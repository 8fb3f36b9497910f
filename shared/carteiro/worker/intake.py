"""From a record's bytes to a request, or to the error that tells its sender what is wrong."""

from typing import Any, TypeVar

from pydantic import ValidationError

from carteiro.schemas import ErrorCode, ErrorDetail, FieldError, Request
from carteiro.wire.envelope import Envelope
from carteiro.wire.record import MAX_REQUEST_BYTES

RequestT = TypeVar("RequestT", bound=Request[Any])

_MOST_FIELDS = 20
_LONGEST_NAME = 200
_LONGEST_REASON = 500


class Rejected(Exception):
    """A request that its sender has to change."""

    def __init__(self, code: ErrorCode, message: str, fields: list[FieldError] | None = None) -> None:
        super().__init__(message)
        self.error = ErrorDetail(code=code, message=message, retryable=False, fields=fields or [])


def read_request(request: type[RequestT], envelope: Envelope) -> RequestT:
    """The request in an envelope. Raises `Rejected`, which says which field is wrong and why, never its value."""
    size = len(envelope.body)
    if size > MAX_REQUEST_BYTES:
        raise Rejected(
            "too_large",
            f"value: has {size:,} bytes; a request has at most {MAX_REQUEST_BYTES:,}",
            [FieldError(field="value", reason=f"has {size:,} bytes; at most {MAX_REQUEST_BYTES:,}")],
        )
    if envelope.problems:
        raise _rejected("invalid_request", list(envelope.problems))
    if not envelope.body.strip():
        raise _rejected("unreadable", [FieldError(field="value", reason="is empty; a request is a JSON object")])
    try:
        return request.model_validate_json(envelope.body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        if problems[0]["type"] == "json_invalid":
            reason = problems[0]["msg"].removeprefix("Invalid JSON: ")
            raise _rejected("unreadable", [FieldError(field="value", reason=f"is not JSON: {reason}")]) from None
        fields = [FieldError(field=_path(each["loc"]), reason=_reason(each["msg"])) for each in problems]
        raise _rejected("invalid_request", fields) from None


def rejection(problem: FieldError) -> Rejected:
    """An `invalid_request` for one thing that is wrong."""
    return Rejected("invalid_request", f"{problem.field}: {problem.reason}", [problem])


def _rejected(code: ErrorCode, fields: list[FieldError]) -> Rejected:
    # What a reason quotes is its sender's, of any length; the reply has to stay small enough to be sent.
    fields = [FieldError(field=each.field, reason=each.reason[:_LONGEST_REASON]) for each in fields]
    message = "; ".join(f"{each.field}: {each.reason}" for each in fields[:3])
    if len(fields) > 3:
        message += f"; and {len(fields) - 3} more"
    return Rejected(code, message, fields[:_MOST_FIELDS])


def _path(location: tuple[int | str, ...]) -> str:
    # A name can be anything that its sender made up, of any length.
    return ".".join(map(str, location))[:_LONGEST_NAME] or "value"


def _reason(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return {
        "Extra inputs are not permitted": "Unknown field",
        r"String should match pattern '\S'": "Must not be blank",
    }.get(message, message)

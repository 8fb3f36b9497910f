"""What a request record says besides its body: who asks, where the reply goes, until when it is wanted.

Nothing in here raises. Whatever a producer put into its headers, the request still gets a reply, so what
cannot be read is noted in `Envelope.problems` and becomes an error reply.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from carteiro.schemas import FieldError
from carteiro.wire.cloudevents import CloudEvent, read_cloud_event
from carteiro.wire.record import Headers, Record, last_header, place
from carteiro.wire.topics import is_topic_name

CORRELATION_HEADERS = ("correlation_id", "kafka_correlationId")
"""Headers by which requesters match replies: ours, and Spring Kafka's (any bytes)."""

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Envelope:
    """The outside of a request."""

    request_id: str
    """The record's place, `topic/partition/offset`; unique for ever."""
    correlation_id: str
    """The requester's own id as text, for logs; the request id where it gave none."""
    echo: Headers
    """Headers that the reply carries unchanged: correlation, idempotency."""
    key: bytes | None
    body: bytes
    """The request's JSON, not yet parsed."""
    asked_at: datetime
    reply_topic: str | None = None
    reply_partition: int | None = None
    deadline: datetime | None = None
    idempotency_key: bytes | None = None
    """What a request that is sent again has in common with its first sending."""
    trace: dict[str, str] = field(default_factory=dict)
    """W3C trace context: `traceparent`, `tracestate`."""
    event: CloudEvent | None = None
    """Given where the request is a CloudEvent; the reply then is one in the same form."""
    problems: tuple[FieldError, ...] = ()
    """What is wrong with the headers, or with the CloudEvent around the request."""


def read_envelope(record: Record) -> Envelope:
    """Read a request record's outside."""
    headers = record.headers
    problems: list[FieldError] = []
    event = read_cloud_event(record, problems)
    request_id = place(record)
    asked_at = _time(record.timestamp)

    def header(name: str, read: Callable[[bytes], _T]) -> _T | None:
        value = last_header(headers, name)
        if value is None:
            return None
        try:
            return read(value)
        except ValueError as error:
            problems.append(FieldError(field=f"header {name}", reason=str(error)))
            return None

    echo = [(name, value) for name in CORRELATION_HEADERS if (value := last_header(headers, name))]
    correlation = echo[0][1] if echo else event.raw_id if event else b""
    if (idempotency_key := last_header(headers, "idempotency_key")) is not None:
        echo.append(("idempotency_key", idempotency_key))
    if not correlation:
        echo.append(("correlation_id", request_id.encode()))

    timeout = header("timeout_ms", _timeout)
    deadlines = [header("deadline", _deadline), _later(asked_at, timeout)]
    spring_topic = header("kafka_replyTopic", _topic)
    return Envelope(
        request_id=request_id,
        correlation_id=_readable(correlation) or request_id,
        echo=tuple(echo),
        key=record.key,
        body=event.data if event else record.value or b"",
        asked_at=asked_at,
        reply_topic=header("reply_to", _topic) or spring_topic,
        reply_partition=header("kafka_replyPartition", _partition),
        idempotency_key=idempotency_key or None,
        deadline=min((deadline for deadline in deadlines if deadline), default=None),
        trace=_trace(headers) or (event.trace if event else {}),
        event=event,
        problems=tuple(problems),
    )


def _time(milliseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.now(UTC)


def _later(start: datetime, timeout: timedelta | None) -> datetime | None:
    try:
        return start + timeout if timeout is not None else None
    except OverflowError:  # beyond the year 9999: no deadline that anybody meets
        return None


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None


def _topic(value: bytes) -> str:
    if not is_topic_name(name := _text(value)):
        raise ValueError("is not a name that a topic can have: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'")
    return name


def _partition(value: bytes) -> int:
    # Spring's template writes 4 bytes, big-endian; applications write digits. Four digits read as a number
    # of four bytes would be a partition beyond 800 million, so digits always mean digits.
    if value.isdigit() and len(value) <= 10:
        return int(value)
    if len(value) == 4 and (partition := int.from_bytes(value, "big", signed=True)) >= 0:
        return partition
    raise ValueError("is not a partition: 4 bytes, big-endian, or digits")


def _deadline(value: bytes) -> datetime:
    wrong = "is not a time of RFC 3339 with its zone, such as 2026-01-31T12:00:00Z"
    if not _RFC_3339.fullmatch(text := _text(value).upper()):
        raise ValueError(wrong)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(wrong) from None


def _timeout(value: bytes) -> timedelta:
    if not value.isdigit() or len(value) > 13:
        raise ValueError("is not a number of milliseconds, in digits")
    return timedelta(milliseconds=int(value))


def _trace(headers: Headers) -> dict[str, str]:
    values = {name: last_header(headers, name) for name in ("traceparent", "tracestate")}
    # By the recommendation, trace context that cannot be read is as good as none: never an error.
    return {name: value.decode() for name, value in values.items() if value and value.isascii()}


def _readable(value: bytes) -> str:
    """Bytes as a log can show them: text where it is text, a UUID or hexadecimal otherwise."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()

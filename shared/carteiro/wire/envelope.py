"""Metadata of a request record: the requester, the address of the reply, the deadline.

No function in this module raises. The request gets a reply even if its headers are invalid, so each error is added to
`Envelope.problems` and becomes an error reply.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from carteiro.schemas import FieldError
from carteiro.wire.cloudevents import CloudEvent, read_cloud_event
from carteiro.wire.record import MAX_ECHO_BYTES, MAX_KEY_BYTES, Headers, Record, record_id, value_size
from carteiro.wire.topics import is_topic_name

CORRELATION_HEADERS = ("correlation_id", "kafka_correlationId")
"""Headers by which requesters match replies: ours, and Spring Kafka's (any bytes)."""

_LOG_APPEND_TIME = 1
_MIN_TIMESTAMP = datetime(2011, 1, 1, tzinfo=UTC)
"""Kafka's first release: no record was written before it."""
_MAX_LOGGED = 200
"""Characters of a correlation id that logs and spans show."""
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{0,128})?", re.ASCII)
_TRACESTATE = re.compile(r"[ -~\t]{1,512}", re.ASCII)
"""Printable ASCII of at most 512 characters (https://www.w3.org/TR/trace-context/#tracestate-header)."""
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Metadata of a request record, and its body."""

    request_id: str
    """Id of the record, `topic/partition/offset`; unique for ever."""
    correlation_id: str
    """The requester's own id as text, for logs, shortened; the request id if it gave none."""
    echo_headers: Headers
    """Headers that the reply carries unchanged: correlation, idempotency."""
    key: bytes | None
    body: bytes
    """The request's JSON, not yet parsed."""
    sent_at: datetime
    """Time at which the request was sent, as far as it is known; never later than the time it was read."""
    size: int = 0
    """Size of the record's value in bytes, as it was sent. A value above the limit of a request is not in `body`."""
    reply_topic: str | None = None
    reply_partition: int | None = None
    deadline: datetime | None = None
    idempotency_key: bytes | None = None
    """Key that all sendings of a request share."""
    trace: dict[str, str] = field(default_factory=dict)
    """W3C trace context: `traceparent`, `tracestate`."""
    event: CloudEvent | None = None
    """The CloudEvent of the request, or None. The reply is then an event in the same form."""
    has_producer_time: bool = False
    """True if `sent_at` comes from the producer's clock."""
    step: str = ""
    """Name of the enrichment's step that makes the request; empty for a request of its own."""
    problems: tuple[FieldError, ...] = ()
    """Errors in the headers, or in the CloudEvent around the request."""

    @property
    def clock_hint(self) -> str:
        """Remark for a reply that says that a deadline has passed: it names the clock by which the deadline counts."""
        if not self.has_producer_time:
            return ""
        shown = self.sent_at.isoformat(timespec="seconds")
        return f"; it counts from the record's timestamp, {shown}, which the producer's clock has given"


def read_envelope(record: Record, now: datetime | None = None) -> Envelope:
    """Read the metadata of a request record. `now` is the time at which it was read; by default the system's clock."""
    headers = dict(record.headers)  # the last one of a name counts
    problems: list[FieldError] = []
    event = read_cloud_event(record, problems)
    request_id = record_id(record)
    asked_at, has_producer_time = find_sent_time(record, now or datetime.now(UTC))
    key = record.key
    if key is not None and len(key) > MAX_KEY_BYTES:
        problems.append(_too_long("key", key, MAX_KEY_BYTES))
        key = None

    echo = [(name, value) for name in CORRELATION_HEADERS if (value := _read_echoed(headers, name, problems))]
    correlation = echo[0][1] if echo else event.raw_id if event else b""
    if (idempotency_key := _read_echoed(headers, "idempotency_key", problems)) is not None:
        echo.append(("idempotency_key", idempotency_key))
    if not correlation:
        # The id is random, so the header of another request cannot make its reply look like the reply to this one.
        echo.append(("correlation_id", secrets.token_hex(16).encode()))

    timeout = _read_header(headers, "timeout_ms", _timeout, problems)
    given = (_read_header(headers, "deadline", _deadline, problems), add_duration(asked_at, timeout))
    deadlines = [each for each in given if each]
    spring_topic = _read_header(headers, "kafka_replyTopic", _topic, problems)
    return Envelope(
        request_id=request_id,
        correlation_id=_loggable(correlation) or request_id,
        echo_headers=tuple(echo),
        key=key,
        body=event.data if event else record.value or b"",
        sent_at=asked_at,
        size=value_size(record),
        reply_topic=_read_header(headers, "reply_to", _topic, problems) or spring_topic,
        reply_partition=_read_header(headers, "kafka_replyPartition", _partition, problems),
        idempotency_key=idempotency_key or None,
        deadline=min(deadlines) if deadlines else None,
        trace=_trace_context(headers, event.trace if event else {}),
        event=event,
        has_producer_time=has_producer_time,
        problems=tuple(problems),
    )


def add_duration(start: datetime, duration: timedelta | None) -> datetime | None:
    """Return the time `duration` after `start`. Return None without a duration, and beyond the year 9999."""
    try:
        return start + duration if duration is not None else None
    except OverflowError:
        return None


def find_sent_time(record: Record, now: datetime) -> tuple[datetime, bool]:
    """Return the time at which a request was sent. The second value is True if it comes from the producer's clock.

    A timestamp from before Kafka existed (-1, 0, seconds for milliseconds) or from the future is wrong. The result is
    then the time at which the record was read.
    """
    try:
        sent = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return now, False
    if not _MIN_TIMESTAMP <= sent <= now:
        return now, False
    return sent, record.timestamp_type != _LOG_APPEND_TIME


def _read_header(
    headers: Mapping[str, bytes], name: str, read: Callable[[bytes], _T], problems: list[FieldError]
) -> _T | None:
    """Return the value that `read` finds in a header, or None. Add the error to `problems` if it finds none."""
    value = headers.get(name)
    if value is None:
        return None
    try:
        return read(value)
    except ValueError as error:
        problems.append(FieldError(field=f"header {name}", reason=str(error)))
        return None


def _read_echoed(headers: Mapping[str, bytes], name: str, problems: list[FieldError]) -> bytes | None:
    """Return the value of a header that the reply repeats, or None. Add an error to `problems` if it is too long."""
    value = headers.get(name)
    if value is not None and len(value) > MAX_ECHO_BYTES:
        problems.append(_too_long(f"header {name}", value, MAX_ECHO_BYTES))
        return None
    return value


def _too_long(field_name: str, value: bytes, limit: int) -> FieldError:
    return FieldError(field=field_name, reason=f"has {len(value):,} bytes; at most {limit:,}")


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
    # Spring's template writes 4 bytes, big-endian; applications write digits. Four digits read as a number of four
    # bytes would be a partition beyond 800 million, so digits always mean digits.
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


def _trace_context(headers: Mapping[str, bytes], event: dict[str, str]) -> dict[str, str]:
    """Return the trace context of the headers, or of the event; none if it cannot be read, as W3C recommends."""
    values = {name: headers.get(name) for name in ("traceparent", "tracestate")}
    found = {name: value.decode(errors="replace") for name, value in values.items() if value} or event
    if not found or not _TRACEPARENT.fullmatch(found.get("traceparent", "")):
        return {}
    return {name: text for name, text in found.items() if name == "traceparent" or _TRACESTATE.fullmatch(text)}


def _loggable(value: bytes) -> str:
    """Return bytes in a form for logs: as text if they are text, otherwise as a UUID or in hexadecimal."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = ""
    shown = text if text and text.isprintable() else value[:_MAX_LOGGED].hex()
    return shown if len(shown) <= _MAX_LOGGED else f"{shown[: _MAX_LOGGED - 1]}…"

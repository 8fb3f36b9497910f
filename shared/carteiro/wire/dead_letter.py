"""Dead letters: requests that were not completed, stored with their origin and the reason.

A dead letter is the request record with its key, value and headers unchanged. It adds the `kafka_dlt-` headers of
Spring Kafka's `DeadLetterPublishingRecoverer`, in the same encodings, so that tools that read Spring's dead letters
read ours. Data for which Spring has no header is in headers that begin with `carteiro_`.

The origin is written once. A request that was redriven, or that came out of another system's dead letters, brings the
`kafka_dlt-original-` headers of its first record. By Spring's rule the first value is the true origin. So a redriven
request keeps these headers, and its next dead letter adds none. They are harmless on a request: a worker does not read
them, and a reply never repeats them.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from carteiro.wire.envelope import read_envelope
from carteiro.wire.record import Headers, OutgoingRecord, Record, last_header, record_id

ERROR_CODE_HEADER = "carteiro_error_code"
TRIES_HEADER = "carteiro_tries"
DEAD_AT_HEADER = "carteiro_dead_at"
REDRIVES_HEADER = "carteiro_redrives"

_DLT = "kafka_dlt-"
_ORIGINAL = f"{_DLT}original-"
_EXCEPTION_CLASS = f"{_DLT}exception-fqcn"
_EXCEPTION_MESSAGE = f"{_DLT}exception-message"
_FAILURE_HEADERS = (ERROR_CODE_HEADER, TRIES_HEADER, DEAD_AT_HEADER)

_TIMESTAMP_TYPES = {0: "CreateTime", 1: "LogAppendTime"}
_NO_TIMESTAMP_TYPE = "NoTimestampType"
"""Kafka's name for the timestamp type of a record from before Kafka had timestamps."""


@dataclass(frozen=True, slots=True)
class DeadLetterOrigin:
    """First record of a request. A field that the dead letter lacks is None."""

    topic: str
    partition: int | None
    offset: int | None
    timestamp: int | None
    """Milliseconds since 1970."""
    timestamp_type: str | None
    """`CreateTime` or `LogAppendTime`."""
    group: str | None
    """The consumer group that dead-lettered the request."""

    @property
    def request_id(self) -> str | None:
        """Id of the record as replies name it, `topic/partition/offset`."""
        if self.partition is None or self.offset is None:
            return None
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter that was read: ours, Spring's, or a record without any such headers."""

    topic: str
    partition: int
    offset: int
    dead_at: datetime
    """Time at which the request was dead-lettered; the dead letter's own timestamp if its headers do not say."""
    key: bytes | None
    value: bytes | None
    headers: Headers
    """All headers, those of the dead letter included."""
    origin: DeadLetterOrigin | None
    code: str | None
    """The error code; None in a dead letter that is not ours."""
    exception_class: str | None
    """Spring's name of the exception's class."""
    reason: str | None
    tries: int | None
    redrive_count: int
    """Number of times that the request had been redriven before it became this dead letter."""
    correlation_id: str | None
    """The requester's own id as text; None if it gave none, and replies then name `origin.request_id`."""

    @property
    def id(self) -> str:
        """Id of the dead letter's own record, `topic/partition/offset`."""
        return record_id(self)


def dead_letter_record(
    record: Record, topic: str, *, group: str, reason: str, code: str, tries: int, at: datetime
) -> OutgoingRecord:
    """Return the dead letter of a request, for the topic `topic`."""
    has_origin = last_header(record.headers, f"{_ORIGINAL}topic") is not None
    headers = [
        (name, value)
        for name, value in record.headers
        if name not in _FAILURE_HEADERS and ((name.startswith(_ORIGINAL) and has_origin) or not name.startswith(_DLT))
    ]
    if not has_origin:
        headers += [
            (f"{_ORIGINAL}topic", record.topic.encode()),
            (f"{_ORIGINAL}partition", record.partition.to_bytes(4, "big", signed=True)),
            (f"{_ORIGINAL}offset", record.offset.to_bytes(8, "big", signed=True)),
            (f"{_ORIGINAL}timestamp", record.timestamp.to_bytes(8, "big", signed=True)),
            (f"{_ORIGINAL}timestamp-type", _TIMESTAMP_TYPES.get(record.timestamp_type, _NO_TIMESTAMP_TYPE).encode()),
            (f"{_ORIGINAL}consumer-group", group.encode()),
        ]
    headers += [
        (_EXCEPTION_CLASS, f"carteiro.{code.title().replace('_', '')}".encode()),
        (_EXCEPTION_MESSAGE, reason.encode(errors="replace")),
        (ERROR_CODE_HEADER, code.encode()),
        (TRIES_HEADER, b"%d" % tries),
        (DEAD_AT_HEADER, at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()),
    ]
    return OutgoingRecord(topic, None, record.key, _value(record.key, record.value), headers)


def read_dead_letter(record: Record) -> DeadLetter:
    """Read a record of a dead-letter topic. Never raise: a field that is missing or cannot be read is None."""
    headers = record.headers
    envelope = read_envelope(record)
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        dead_at=_time(last_header(headers, DEAD_AT_HEADER)) or envelope.sent_at,
        key=record.key,
        value=record.value,
        headers=headers,
        origin=_origin(headers),
        code=_text(last_header(headers, ERROR_CODE_HEADER)),
        exception_class=_text(last_header(headers, _EXCEPTION_CLASS)),
        reason=_text(last_header(headers, _EXCEPTION_MESSAGE)),
        tries=_digits(last_header(headers, TRIES_HEADER)),
        redrive_count=_digits(last_header(headers, REDRIVES_HEADER)) or 0,
        correlation_id=envelope.correlation_id if envelope.correlation_id != envelope.request_id else None,
    )


def first_offset(record: Record) -> int:
    """Return the offset of a redriven request's first record; the record's own offset if it was not redriven.

    A sender may have written the headers, so only an earlier record of the same partition counts.
    """
    if last_header(record.headers, REDRIVES_HEADER) is None or (origin := _origin(record.headers)) is None:
        return record.offset
    is_same_partition = (origin.topic, origin.partition) == (record.topic, record.partition)
    return min(origin.offset, record.offset) if is_same_partition and origin.offset is not None else record.offset


def redrive_record(letter: DeadLetter, topic: str) -> OutgoingRecord:
    """Return the record that sends the request of a dead letter again, to `topic`, the requests topic of its task.

    The topic that the dead letter names is not used: its producer could have written any name there. The origin of a
    request that passed through another system's dead letters is not a topic that our workers read.

    The record goes to the partition of its first record. The producer chose that partition for the key, by a hash that
    differs between Kafka's clients. Only there is order by key kept, and only there is the `idempotency_key` known. The
    sender has to check that the topic still has that partition. If it does not, the sender sets `partition` to None,
    and the key decides.

    A `deadline` has passed, or soon will, so it is left out. `timeout_ms` counts again from the new record's timestamp.
    The reply to a request without an id of its own named its old record, so that old id becomes its `correlation_id`:
    its producer knows no other.
    """
    headers = [
        (name, value)
        for name, value in letter.headers
        if name not in (*_FAILURE_HEADERS, REDRIVES_HEADER, "deadline")
        and (name.startswith(_ORIGINAL) or not name.startswith(_DLT))
    ]
    if letter.correlation_id is None and letter.origin and (request_id := letter.origin.request_id):
        headers.append(("correlation_id", request_id.encode()))
    headers.append((REDRIVES_HEADER, b"%d" % (letter.redrive_count + 1)))
    partition = letter.origin.partition if letter.origin and letter.origin.topic == topic else None
    return OutgoingRecord(topic, partition, letter.key, _value(letter.key, letter.value), headers)


def _value(key: bytes | None, value: bytes | None) -> bytes | None:
    # aiokafka rejects a record with neither key nor value, although a broker accepts it and other clients send it. To a
    # worker an empty value and a null value are the same: no request.
    return b"" if key is None and value is None else value


def _origin(headers: Headers) -> DeadLetterOrigin | None:
    # A Spring listener that fails again adds a second set of headers after the first. The first set is the true origin.
    first = {name.removeprefix(_ORIGINAL): value for name, value in reversed(headers) if name.startswith(_ORIGINAL)}
    topic = _text(first.get("topic"))
    if topic is None:
        return None
    return DeadLetterOrigin(
        topic=topic,
        partition=_integer(first.get("partition"), 4),
        offset=_integer(first.get("offset"), 8),
        timestamp=_integer(first.get("timestamp"), 8),
        timestamp_type=_text(first.get("timestamp-type")),
        group=_text(first.get("consumer-group")),
    )


def _integer(value: bytes | None, size: int) -> int | None:
    if value is None or len(value) != size:
        return None
    number = int.from_bytes(value, "big", signed=True)
    return number if number >= 0 else None


def _digits(value: bytes | None) -> int | None:
    return int(value) if value is not None and re.fullmatch(rb"\d{1,9}", value) else None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")


def _time(value: bytes | None) -> datetime | None:
    try:
        at = datetime.fromisoformat((value or b"").decode())
    except ValueError:
        return None
    return at if at.tzinfo else None

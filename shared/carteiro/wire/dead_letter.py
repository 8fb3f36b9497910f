"""Dead letters: requests that were given up, kept with where they came from and why.

A letter is its request, key, value and headers untouched, and beside those the `kafka_dlt-` headers of Spring
Kafka's `DeadLetterPublishingRecoverer`, in its encodings, so that tools that read Spring's letters read ours.
What Spring has no word for stands under `carteiro_`.

The origin is written once. A request that was redriven, or that came out of somebody else's dead letters, brings the
`kafka_dlt-original-` headers of the place where it first stood. By Spring's rule the first value is the true origin,
so a redriven request keeps them, and its next letter adds none. They are harmless on a request: a worker does not
look at them, and a reply never echoes them.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from carteiro.wire.envelope import read_envelope
from carteiro.wire.record import Headers, OutgoingRecord, Record, last_header, place

CODE_HEADER = "carteiro_error_code"
TRIES_HEADER = "carteiro_tries"
AT_HEADER = "carteiro_dead_at"
REDRIVES_HEADER = "carteiro_redrives"

_DLT = "kafka_dlt-"
_ORIGINAL = f"{_DLT}original-"
_FQCN = f"{_DLT}exception-fqcn"
_MESSAGE = f"{_DLT}exception-message"
_OF_ONE_DEATH = (CODE_HEADER, TRIES_HEADER, AT_HEADER)

_TIMESTAMP_TYPES = {0: "CreateTime", 1: "LogAppendTime"}
_NO_TIMESTAMP_TYPE = "NoTimestampType"
"""Kafka's name for the type of a record from before there were timestamps."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request first stood. What a letter does not say is None."""

    topic: str
    partition: int | None
    offset: int | None
    timestamp: int | None
    """Milliseconds since 1970."""
    timestamp_type: str | None
    """`CreateTime` or `LogAppendTime`."""
    group: str | None
    """The consumer group that gave it up."""

    @property
    def request_id(self) -> str | None:
        """The place as replies name it, `topic/partition/offset`."""
        if self.partition is None or self.offset is None:
            return None
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter that was read: ours, Spring's, or a record that says nothing of itself."""

    topic: str
    partition: int
    offset: int
    at: datetime
    """When the request was given up; where the letter does not say, the letter's own timestamp."""
    key: bytes | None
    value: bytes | None
    headers: Headers
    """All of them, the letter's own too."""
    origin: Origin | None
    code: str | None
    """The error code; None in a letter that is not ours."""
    exception: str | None
    """What Spring calls the class of the exception."""
    reason: str | None
    tries: int | None
    redrives: int
    """How often the request had been redriven before it came here."""
    correlation_id: str | None
    """The requester's own id as text; None where it gave none, and replies name `origin.request_id`."""

    @property
    def id(self) -> str:
        """The letter's own place, `topic/partition/offset`."""
        return place(self)


def dead_letter(
    record: Record, topic: str, *, group: str, reason: str, code: str, tries: int, at: datetime
) -> OutgoingRecord:
    """The letter of a request that is given up, to be sent to `topic`."""
    has_origin = last_header(record.headers, f"{_ORIGINAL}topic") is not None
    headers = [
        (name, value)
        for name, value in record.headers
        if name not in _OF_ONE_DEATH and ((name.startswith(_ORIGINAL) and has_origin) or not name.startswith(_DLT))
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
        (_FQCN, f"carteiro.{code.title().replace('_', '')}".encode()),
        (_MESSAGE, reason.encode(errors="replace")),
        (CODE_HEADER, code.encode()),
        (TRIES_HEADER, b"%d" % tries),
        (AT_HEADER, at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()),
    ]
    return OutgoingRecord(topic, None, record.key, _value(record.key, record.value), headers)


def read_dead_letter(record: Record) -> DeadLetter:
    """Read a record of a topic of dead letters. Never raises: what is missing or cannot be read is None."""
    headers = record.headers
    envelope = read_envelope(record)
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=_time(last_header(headers, AT_HEADER)) or envelope.asked_at,
        key=record.key,
        value=record.value,
        headers=headers,
        origin=_origin(headers),
        code=_text(last_header(headers, CODE_HEADER)),
        exception=_text(last_header(headers, _FQCN)),
        reason=_text(last_header(headers, _MESSAGE)),
        tries=_digits(last_header(headers, TRIES_HEADER)),
        redrives=_digits(last_header(headers, REDRIVES_HEADER)) or 0,
        correlation_id=envelope.correlation_id if envelope.correlation_id != envelope.request_id else None,
    )


def redriven(letter: DeadLetter, topic: str) -> OutgoingRecord:
    """The request once more, to be sent to `topic`, its task's topic of requests.

    Not to the topic that the letter names: its producer could have written any there, and the origin of a request that
    passed through other dead letters is not where our workers read it.

    It goes to the partition where it first stood: the one that its producer chose for the key, by a hash that differs
    between Kafka's clients. There alone is order by key kept, and its `idempotency_key` known. Whether the topic still
    has that partition is for the sender to see; `partition` None, and with it the key, decides where it has not.

    A `deadline` has passed, or soon will, and is left out; `timeout_ms` counts anew from the new record's timestamp.
    A request without an id of its own was answered under its place, which is new now, so it gets the old one as its
    `correlation_id`: its producer knows no other.
    """
    headers = [
        (name, value)
        for name, value in letter.headers
        if name not in (*_OF_ONE_DEATH, REDRIVES_HEADER, "deadline")
        and (name.startswith(_ORIGINAL) or not name.startswith(_DLT))
    ]
    if letter.correlation_id is None and letter.origin and (place := letter.origin.request_id):
        headers.append(("correlation_id", place.encode()))
    headers.append((REDRIVES_HEADER, b"%d" % (letter.redrives + 1)))
    partition = letter.origin.partition if letter.origin and letter.origin.topic == topic else None
    return OutgoingRecord(topic, partition, letter.key, _value(letter.key, letter.value), headers)


def _value(key: bytes | None, value: bytes | None) -> bytes | None:
    # aiokafka refuses a record with neither key nor value, though a broker takes one and other clients send it.
    # To a worker an empty value and none are the same: nothing that is a request.
    return b"" if key is None and value is None else value


def _origin(headers: Headers) -> Origin | None:
    # A Spring listener that fails again adds a second set after the first; the first is the true origin.
    first = {name.removeprefix(_ORIGINAL): value for name, value in reversed(headers) if name.startswith(_ORIGINAL)}
    topic = _text(first.get("topic"))
    if topic is None:
        return None
    return Origin(
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

"""Protocols and limits of Kafka records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Headers = Sequence[tuple[str, bytes]]

MAX_REQUEST_BYTES = 1024 * 1024
"""Maximum size of a request record's value in bytes: Kafka's default limit."""
PARSE_IN_THREAD_BYTES = 64 * 1024
"""Size of a value, in bytes, from which a thread parses it, so that heartbeats continue."""
MAX_KEY_BYTES = 16 * 1024
"""Maximum size of a request record's key in bytes: the reply and the spans repeat it."""
MAX_ECHO_BYTES = 16 * 1024
"""Maximum size in bytes of a header's value that the reply repeats."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Byte order mark of UTF-8, which .NET writes before JSON."""
UNKNOWN_SIZE = 2**31
"""Size of a value that was not read to its end: more than any value can have."""


class _RecordPosition(Protocol):
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


class _RecordContent(Protocol):
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Record(_RecordPosition, _RecordContent, Protocol):
    """A record that was read; aiokafka's `ConsumerRecord` is one."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970, by the producer's or the broker's clock."""

    @property
    def timestamp_type(self) -> int:
        """Clock of the timestamp: 0 the producer's (`CreateTime`), 1 the broker's (`LogAppendTime`)."""


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to send. If `partition` is None, the producer chooses, by the key if there is one."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int | None = None
    """Milliseconds since 1970; None for the time of sending."""


def record_id(record: _RecordPosition) -> str:
    """Return the id of a record, `topic/partition/offset`. It is unique for ever, so it names the request in the
    record.
    """
    return f"{record.topic}/{record.partition}/{record.offset}"


def value_size(record: Record) -> int:
    """Return the size of the value in bytes, as it was sent. A record whose value is above the limit is read without
    it.
    """
    return max(getattr(record, "serialized_value_size", 0), len(record.value or b""))


def record_size(record: _RecordContent) -> int:
    """Return the size of a record's key, value and headers in bytes."""
    size = len(record.value or b"") + len(record.key or b"")
    for name, value in record.headers:
        size += len(name) + len(value or b"")
    return size


def last_header(headers: Headers, name: str) -> bytes | None:
    """Return the value of the last header of that name. The last one counts if a name occurs twice, as in Spring."""
    return dict(headers).get(name)

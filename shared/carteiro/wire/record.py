"""A Kafka record, as far as the wire looks at it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Headers = Sequence[tuple[str, bytes]]

MAX_REQUEST_BYTES = 1024 * 1024
"""Largest value of a request record, in bytes: what Kafka lets through unless told otherwise."""


class Record(Protocol):
    """A record that was read; aiokafka's `ConsumerRecord` is one."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970, by the producer's or the broker's clock."""

    @property
    def timestamp_type(self) -> int:
        """Whose clock that was: 0 the producer's (`CreateTime`), 1 the broker's (`LogAppendTime`)."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to be sent. `partition` None: the broker's client chooses, by the key where there is one."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers


class _Placed(Protocol):
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


def place(record: _Placed) -> str:
    """Where a record stands, `topic/partition/offset`: unique for ever, so it names the request in it."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def last_header(headers: Headers, name: str) -> bytes | None:
    """The value of the last header of that name: the one that counts where a name stands twice, as in Spring."""
    return next((value for key, value in reversed(headers) if key == name), None) if headers else None

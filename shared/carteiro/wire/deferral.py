"""Deferred requests: records that wait until a provider's batch has answered them.

A deferred record is the request record with its key, value and headers unchanged, and one more header with the id and
the time of the original record. When it is read, it becomes the original record again: its reply names the id that the
sender knows, and its deadline counts from its own timestamp.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from carteiro.wire.envelope import find_sent_time
from carteiro.wire.record import Headers, OutgoingRecord, Record, last_header

ORIGIN_HEADER = "carteiro_origin"


@dataclass(frozen=True, slots=True)
class OriginalRecord:
    """A request record as it was in the topic that its sender used."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def deferred_record(record: Record, topic: str) -> OutgoingRecord:
    """Return the record that stores a request on `topic`, in the partition of the same number.

    It holds the time at which the request was sent. If the record's timestamp cannot be right, that is the current
    time, and it does not change later.
    """
    timestamp = int(find_sent_time(record, datetime.now(UTC))[0].timestamp() * 1000)
    origin = [record.topic, record.partition, record.offset, timestamp, record.timestamp_type]
    # An origin header that the sender wrote would name another request's record.
    headers = [*_without_origin(record.headers), (ORIGIN_HEADER, json.dumps(origin).encode())]
    return OutgoingRecord(topic, record.partition, record.key, record.value, headers)


def original_request(record: Record) -> Record:
    """Return the original request of a deferred record; the record itself if it names no origin."""
    try:
        topic, *numbers = json.loads(last_header(record.headers, ORIGIN_HEADER) or b"")
        partition, offset, timestamp, timestamp_type = map(int, numbers)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return record
    if not (0 <= partition < 2**31 and 0 <= offset < 2**63 and -(2**63) <= timestamp < 2**63):
        return record
    headers = _without_origin(record.headers)
    return OriginalRecord(str(topic), partition, offset, timestamp, timestamp_type, record.key, record.value, headers)


def _without_origin(headers: Headers) -> Sequence[tuple[str, bytes]]:
    return [each for each in headers if each[0] != ORIGIN_HEADER]

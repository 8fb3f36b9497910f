"""Requests that stand aside until a provider's batch has done their work.

Such a record is its request, key, value and headers untouched, with one header that says where and when the request
was dropped. Read back, it is that request again: its reply names the place that its sender knows, and its deadline
counts from its own timestamp.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from carteiro.wire.record import Headers, OutgoingRecord, Record, last_header

ORIGIN_HEADER = "carteiro_origin"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A request record as it stood where it was dropped."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def set_aside(record: Record, topic: str) -> OutgoingRecord:
    """The record that keeps a request on `topic`, in the partition of the same number."""
    origin = [record.topic, record.partition, record.offset, record.timestamp, record.timestamp_type]
    # One that its sender wrote would name another request's place.
    headers = [*_others(record.headers), (ORIGIN_HEADER, json.dumps(origin).encode())]
    return OutgoingRecord(topic, record.partition, record.key, record.value, headers)


def dropped(record: Record) -> Record:
    """The request that was set aside; the record itself where it does not say where it comes from."""
    try:
        topic, *numbers = json.loads(last_header(record.headers, ORIGIN_HEADER) or b"")
        partition, offset, timestamp, timestamp_type = map(int, numbers)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return record
    if not (0 <= partition < 2**31 and 0 <= offset < 2**63 and 0 <= timestamp < 2**63):
        return record
    headers = _others(record.headers)
    return Dropped(str(topic), partition, offset, timestamp, timestamp_type, record.key, record.value, headers)


def _others(headers: Headers) -> Sequence[tuple[str, bytes]]:
    return [each for each in headers if each[0] != ORIGIN_HEADER]

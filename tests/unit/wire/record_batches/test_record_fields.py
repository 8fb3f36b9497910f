"""Fields of records in a stream that is decompressed while it is read."""

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.wire.record_batches.decompression import BatchTooLarge, UnreadableBatch
from carteiro.wire.record_batches.record_fields import (
    RecordFields,
    UnpackBudget,
    UnpackedStream,
    parse_fields,
    parse_large_fields,
)
from tests.unit.wire.record_batches.batch_builder import encode_record, encode_varint


class Clock:
    """Clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def stream(*chunks: bytes, **limits: Any) -> UnpackedStream:
    return UnpackedStream(iter(chunks), UnpackBudget(**limits))


def result_of(steps: Generator[None, None, RecordFields]) -> RecordFields:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            fields: RecordFields = end.value
            return fields


@given(number=st.integers(-(2**63), 2**63 - 1), size=st.integers(1, 12))
def test_number_is_read_from_chunks_of_any_size(number: int, size: int) -> None:
    data = encode_varint(number) + b"rest"
    read = stream(*(data[at : at + size] for at in range(0, len(data), size)))
    assert read.read_varint() == number
    assert read.offset == len(data) - 4
    assert read.read(4) == b"rest"


@given(data=st.binary(max_size=50), skipped=st.integers(0, 60), size=st.integers(1, 7))
def test_skipped_bytes_are_not_read(data: bytes, skipped: int, size: int) -> None:
    read = stream(*(data[at : at + size] for at in range(0, len(data), size)))
    if skipped > len(data):
        with pytest.raises(UnreadableBatch, match="ends early"):
            list(read.skip(skipped))
        return
    list(read.skip(skipped))
    assert read.offset == skipped
    assert read.read(len(data) - skipped) == data[skipped:]


@given(
    key=st.none() | st.binary(max_size=9),
    value=st.none() | st.binary(max_size=9),
    headers=st.lists(st.tuples(st.binary(max_size=4), st.none() | st.binary(max_size=4)), max_size=3),
)
def test_record_is_parsed_alike_at_once_and_in_parts(
    key: bytes | None, value: bytes | None, headers: list[tuple[bytes, bytes | None]]
) -> None:
    raw = encode_record(3, key, value, headers)
    read = stream(*(raw[at : at + 2] for at in range(0, len(raw), 2)))
    length = read.read_varint()
    whole = parse_fields(raw, len(raw) - length, len(raw))
    in_parts = result_of(parse_large_fields(read, length))
    assert (whole[1], whole[2], whole[3]) == (3, key, value)
    assert (in_parts[:3], in_parts[5]) == (whole[:3], whole[5])
    assert in_parts[3] is None


def test_too_long_number_is_rejected() -> None:
    with pytest.raises(UnreadableBatch, match="a number is too long"):
        stream(b"\xff" * 20).read_varint()


def test_budget_bounds_the_bytes() -> None:
    budget = UnpackBudget(max_bytes=10)
    budget.spend(10)
    with pytest.raises(BatchTooLarge):
        budget.spend(1)


def test_paused_time_does_not_count() -> None:
    clock = Clock()
    budget = UnpackBudget(max_seconds=2, clock=clock)
    clock.now = 1
    budget.pause()
    clock.now = 100
    budget.resume()
    clock.now = 101
    budget.spend(0)
    clock.now = 101.5
    with pytest.raises(BatchTooLarge):
        budget.spend(0)

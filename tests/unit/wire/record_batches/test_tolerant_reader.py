"""Batches of which Kafka's client cannot read some."""

import pytest

from carteiro.wire.record_batches.raw_batches import split_batches
from carteiro.wire.record_batches.tolerant_reader import read_records
from tests.unit.wire.record_batches import batch_builder

GOOD = [(b"k", b"value", [("correlation_id", b"1")]), (None, b"x" * 2_000_000, []), (b"gone", None, [])]


def read_all(raw: bytes, start_offset: int = 0):
    return list(read_records(split_batches(raw, start_offset), batch_builder.PARTITION))


@pytest.mark.parametrize(
    "codec", [batch_builder.NONE, batch_builder.GZIP, batch_builder.SNAPPY, batch_builder.LZ4, batch_builder.ZSTD]
)
def test_records_of_any_size_are_read(codec):
    records = read_all(batch_builder.encode_batch(GOOD, codec, base=7))
    assert [(each.key, each.value, list(each.headers)) for each in records] == GOOD
    assert [each.offset for each in records] == [7, 8, 9]


def test_records_before_the_start_offset_are_left_out():
    assert [each.offset for each in read_all(batch_builder.encode_batch(GOOD), start_offset=2)] == [2]


UNREADABLE = {
    "checksum": batch_builder.encode_batch(GOOD, base=3)[:-1] + b"\x02",
    "codec": batch_builder.wrap_payload(b"malformed", 3, codec=7),
    "malformed": batch_builder.wrap_payload(b"\xff" * 40, 3),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_batch_costs_no_other_batch(name):
    bad = (3).to_bytes(8, "big") + UNREADABLE[name][8:]
    records = read_all(batch_builder.encode_batch(GOOD) + bad + batch_builder.encode_batch(GOOD, base=6))
    assert [each.offset for each in records] == [0, 1, 2, 6, 7, 8]


def test_record_with_a_header_name_that_is_not_utf8_is_read_with_its_neighbours():
    payload = batch_builder.encode_record(0, b"k", b"1") + batch_builder.encode_record(
        1, b"k", b"2", [(b"\xff\xfe", b"x"), (b"id", b"7")]
    )
    records = read_all(batch_builder.wrap_payload(payload + batch_builder.encode_record(2, b"k", b"3"), 3))
    assert [each.value for each in records] == [b"1", b"2", b"3"]
    assert ("id", b"7") in records[1].headers

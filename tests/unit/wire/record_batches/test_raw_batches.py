"""Raw batches are returned unchanged. Batches that a `read_committed` reader must not see are left out."""

import struct

from aiokafka.consumer import fetcher

from carteiro.wire.record_batches.raw_batches import raw_batch_marker, split_batches
from tests.unit.wire.record_batches.batch_builder import (
    ATTRIBUTES,
    PARTITION,
    ZSTD,
    encode_batch,
    encode_record,
    legacy_message,
    with_checksum,
    wrap_payload,
)

ONE = [(b"k", b"{}", [])]
ABORT, COMMIT = 0, 1


def fetch(raw: bytes, position: int = 0, aborted=(), isolation: int = fetcher.READ_COMMITTED):
    """Return the fetched batches and the offset of the next fetch."""
    records = fetcher.MemoryRecords(raw)
    made = fetcher.PartitionRecords(PARTITION, records, aborted, position, None, raw_batch_marker, True, isolation)
    return [each.base_offset for each in made], made.next_fetch_offset


def transactional_batch(base: int, producer: int) -> bytes:
    return encode_batch(ONE, base=base, is_transactional=1, producer_id=producer, producer_epoch=0, base_sequence=0)


def control_batch(base: int, producer: int, kind: int) -> bytes:
    raw = wrap_payload(encode_record(0, struct.pack(">hh", 0, kind), struct.pack(">hi", 0, 0)), 1)
    raw = raw[:ATTRIBUTES] + (0x30).to_bytes(2, "big") + raw[ATTRIBUTES + 2 :]
    raw = raw[:43] + producer.to_bytes(8, "big") + raw[51:]
    return base.to_bytes(8, "big") + with_checksum(raw)[8:]


def test_batches_are_returned_whole_and_in_order():
    raw = encode_batch(ONE * 3, base=5) + encode_batch(ONE, ZSTD, base=8) + legacy_message(1, 9, None, b"v")
    assert fetch(raw, 5) == ([5, 8, 9], 10)
    assert [(each.last_offset, each.record_count) for each in split_batches(raw, 5)] == [(7, 3), (8, 1), (9, 1)]


def test_partly_fetched_batch_is_fetched_again():
    raw = encode_batch(ONE, base=5) + encode_batch(ONE * 9, base=6)[:-1]
    assert fetch(raw, 5) == ([5], 6)


def test_batch_that_cannot_be_unpacked_is_returned():
    raw = with_checksum(encode_batch(ONE)[:-3])[:-2] + b"xx"
    assert fetch(raw + encode_batch(ONE, base=1)) == ([0, 1], 2)


def test_aborted_transactions_and_markers_are_left_out():
    raw = (
        transactional_batch(0, 7)
        + transactional_batch(1, 8)
        + control_batch(2, 7, ABORT)
        + transactional_batch(3, 7)
        + control_batch(4, 8, COMMIT)
    )
    raw += control_batch(5, 7, COMMIT) + encode_batch(ONE, base=6)
    assert fetch(raw, aborted=[(7, 0)]) == ([1, 3, 6], 7)
    assert fetch(raw, aborted=[(7, 0)], isolation=fetcher.READ_UNCOMMITTED)[0] == [0, 1, 3, 6]


def test_next_fetch_starts_after_markers_and_compacted_records():
    assert fetch(control_batch(0, 7, COMMIT)) == ([], 1)
    assert fetch(wrap_payload(b"", 0, last_delta=9)) == ([0], 10)


def test_earlier_batch_does_not_move_the_position_back():
    assert fetch(encode_batch(ONE * 3), 7) == ([], 8)


def test_position_may_be_within_a_batch():
    assert fetch(encode_batch(ONE * 10), 4) == ([0], 10)

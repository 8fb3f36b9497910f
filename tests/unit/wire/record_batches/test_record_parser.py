"""Batches of every kind are parsed in bounded memory. An unreadable record costs no other record."""

import gzip
import struct
import tracemalloc

import cramjam
import pytest
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given, settings
from hypothesis import strategies as st

from carteiro.wire.record import MAX_REQUEST_BYTES, UNKNOWN_SIZE
from carteiro.wire.record_batches import decompression
from carteiro.wire.record_batches.record_fields import MAX_BUFFERED_BYTES, MAX_HEADERS
from carteiro.wire.record_batches.record_parser import SkippedOffsets
from tests.unit.wire.record_batches.batch_builder import (
    COUNT,
    GZIP,
    LAST_DELTA,
    LZ4,
    NONE,
    SNAPPY,
    ZSTD,
    encode_batch,
    encode_record,
    encode_varint,
    legacy_message,
    parse_all,
    split_one,
    with_checksum,
    wrap_payload,
)

CODECS = pytest.mark.parametrize("codec", [NONE, GZIP, SNAPPY, LZ4, ZSTD])
COMPRESSED = pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
RECORDS = [
    (b"k%d" % number, b'{"prompt": "%d"}' % number, [("correlation_id", b"c%d" % number)]) for number in range(50)
]


def contents(records):
    return [(each.key, each.value, list(each.headers)) for each in records]


def skipped_ranges(records):
    return [(each.first_offset, each.offset) for each in records if isinstance(each, SkippedOffsets)]


@CODECS
def test_every_codec_is_parsed_as_by_aiokafka(codec):
    raw = encode_batch(RECORDS, codec, base=7)
    ours, theirs = parse_all(raw), list(MemoryRecords(raw).next_batch())
    assert contents(ours) == contents(theirs) == RECORDS
    for name in ("offset", "timestamp", "timestamp_type"):
        assert [getattr(each, name) for each in ours] == [getattr(each, name) for each in theirs]


@given(
    st.lists(
        st.tuples(
            st.none() | st.binary(max_size=300),
            st.none() | st.binary(max_size=5000),
            st.lists(st.tuples(st.text(max_size=70), st.none() | st.binary(max_size=200)), max_size=5),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from([NONE, GZIP, SNAPPY, LZ4, ZSTD]),
)
def test_any_records_survive_a_round_trip(records, codec):
    assert contents(parse_all(encode_batch(records, codec))) == records


@given(st.binary(max_size=300), st.integers(0, 5), st.sampled_from(range(8)), st.integers(-5, 2**31 - 1))
def test_any_bytes_are_parsed_or_skipped(payload, count, codec, last_delta):
    for each in parse_all(wrap_payload(payload, count, codec, max(last_delta, -(2**31)))):
        assert 0 <= each.offset <= max(last_delta, 0)


@settings(max_examples=300)
@given(
    st.sampled_from([NONE, GZIP, SNAPPY, LZ4, ZSTD]),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 40),
)
def test_changed_batch_is_parsed_or_skipped(codec, changes, cut):
    raw = bytearray(encode_batch(RECORDS[:10], codec))
    for position, byte in changes:
        raw[COUNT + position % (len(raw) - COUNT)] = byte
    for each in parse_all(with_checksum(bytes(raw[: len(raw) - cut]))):
        assert 0 <= each.offset < 10


@COMPRESSED
def test_bytes_after_a_compressed_stream_are_no_error(codec):
    assert contents(parse_all(with_checksum(encode_batch(RECORDS, codec) + b"trail"))) == RECORDS


@COMPRESSED
def test_large_batch_with_bytes_after_its_stream_is_parsed(codec):
    records = [(None, b"%d" % number * 100_000, []) for number in range(100)]
    assert contents(parse_all(with_checksum(encode_batch(records, codec) + b"\0\0\0\0"))) == records


def test_gzip_of_several_members_is_parsed():
    payload = b"".join(encode_record(number, None, b"v" * 1000) for number in range(10))
    members = b"".join(gzip.compress(payload[start : start + 777]) for start in range(0, len(payload), 777))
    assert len(parse_all(wrap_payload(members, 10, GZIP))) == 10


def test_snappy_without_frames_is_parsed():
    payload = encode_record(0, b"k", b"v" * 1000)
    assert contents(parse_all(wrap_payload(bytes(cramjam.snappy.compress_raw(payload)), 1, SNAPPY))) == [
        (b"k", b"v" * 1000, [])
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (encode_batch(RECORDS)[:-1] + b"x", "checksum"),
        (
            with_checksum(encode_batch(RECORDS)[:21] + b"\0\x07" + encode_batch(RECORDS)[23:]),
            "codec that is not known, number 7",
        ),
        (wrap_payload(b"", 3), "ends early"),
        (wrap_payload(b"\xff" * 30, 1), "too long"),
        (wrap_payload(encode_varint(-5), 1), "length"),
        (wrap_payload(encode_record(9, None, b""), 1), "beyond the batch"),
        (wrap_payload(encode_varint(8) + b"\0\0\0" + encode_varint(1000) + b"x" * 40, 1), "longer than the record"),
        (wrap_payload(encode_varint(6) + b"\0\0\0\1\1" + encode_varint(-3), 1), "headers"),
        (wrap_payload(b"junk", 1, GZIP), "gzip"),
        (wrap_payload(b"\xff" * 30, 1, SNAPPY), "snappy"),
        (wrap_payload(b"junk", 1, LZ4), "corrupt"),
        (wrap_payload(b"junk", 1, ZSTD), "corrupt"),
        (with_checksum(encode_batch(RECORDS)[:16] + b"\x09" + encode_batch(RECORDS)[17:]), "version 9"),
        (legacy_message(1, 0, None, b"x", attributes=GZIP), "before Kafka 0.11"),
    ],
)
def test_unreadable_records_are_skipped_with_the_reason(raw, reason):
    (found,) = parse_all(raw)
    assert isinstance(found, SkippedOffsets)
    assert (found.first_offset, found.offset) == (0, split_one(raw).last_offset)
    assert reason in found.reason


def test_records_before_a_broken_record_are_returned():
    raw = wrap_payload(encode_record(0, None, b"a") + encode_record(1, None, b"b") + b"\xff" * 20, 5)
    assert [each.value for each in parse_all(raw)] == [b"a", b"b", None]
    assert skipped_ranges(parse_all(raw)) == [(2, 4)]


def test_batch_that_counts_too_few_is_parsed_up_to_its_count():
    raw = wrap_payload(encode_record(0, None, b"a") + encode_record(1, None, b"b"), 1)
    assert [each.value for each in parse_all(raw)] == [b"a"]


def test_records_below_the_start_offset_are_left_out():
    assert [each.offset for each in parse_all(encode_batch(RECORDS, base=100), start_offset=148)] == [148, 149]


def test_compacted_batch_keeps_its_offsets():
    raw = wrap_payload(encode_record(3, None, b"a") + encode_record(8, None, b"b"), 2, last_delta=20)
    assert [each.offset for each in parse_all(raw)] == [3, 8]


def test_missing_codec_is_named(monkeypatch):
    monkeypatch.setattr(decompression, "cramjam", None)
    (found,) = parse_all(encode_batch(RECORDS, ZSTD))
    assert "zstd" in found.reason
    assert contents(parse_all(encode_batch(RECORDS, GZIP))) == RECORDS


@pytest.mark.parametrize("magic", [0, 1])
def test_messages_of_before_kafka_0_11_are_parsed(magic):
    (found,) = parse_all(legacy_message(magic, 5, b"k", b"v"))
    assert (found.offset, found.key, found.value) == (5, b"k", b"v")
    assert found.timestamp == (1_500_000_000_000 if magic else -1)


def test_header_name_that_is_not_utf_8_is_parsed():
    (found,) = parse_all(
        wrap_payload(encode_record(0, None, b"{}", [(b"\xff\xfename", b"x"), (b"correlation_id", b"c")]), 1)
    )
    assert found.headers == (("\\xff\\xfename", b"x"), ("correlation_id", b"c"))


def test_value_above_the_limit_of_a_request_is_read_if_the_budget_permits() -> None:
    raw = encode_batch([(b"k", b"x" * (MAX_REQUEST_BYTES + 1), [])])
    assert [each.value for each in parse_all(raw)] == [None]
    assert [len(each.value or b"") for each in parse_all(raw, max_value_bytes=MAX_REQUEST_BYTES + 1)] == [
        MAX_REQUEST_BYTES + 1
    ]


@CODECS
@pytest.mark.parametrize("size", [MAX_REQUEST_BYTES + 1, MAX_BUFFERED_BYTES + 1, 20_000_000])
def test_too_large_value_is_left_out_and_its_neighbours_are_parsed(codec, size):
    header = [("correlation_id", b"c")]
    small, large, last = parse_all(
        encode_batch([(b"a", b"{}", []), (b"k", bytes(size), header), (b"z", b"{}", [])], codec)
    )
    assert (large.key, large.value, large.serialized_value_size, list(large.headers)) == (b"k", None, size, header)
    assert (small.value, last.value) == (b"{}", b"{}")


@pytest.mark.parametrize("size", [2_000_000, 6_000_000])
def test_too_large_keys_and_headers_are_left_out(size):
    by_key, by_header = parse_all(
        encode_batch([(bytes(size), b"{}", []), (b"k", b"{}", [("a", b"1"), ("b", bytes(size))])])
    )
    for each in (by_key, by_header):
        assert each.serialized_value_size > MAX_REQUEST_BYTES
        assert each.value is None
    assert by_key.key is None
    assert by_header.headers == (("a", b"1"),)


def test_record_with_a_million_headers_takes_little_memory():
    raw = wrap_payload(encode_record(0, None, b"{}", [(b"", None)] * 1_000_000), 1)
    (found,) = parse_all(raw)
    assert len(found.headers) == MAX_HEADERS
    assert found.serialized_value_size > MAX_REQUEST_BYTES


def bomb_of_size(codec: int, size: int) -> bytes:
    """Return a batch of one record whose value is `size` zeros."""
    inside = b"\0\0\0" + encode_varint(1) + b"k" + encode_varint(size)
    after = encode_varint(1) + encode_varint(14) + b"correlation_id" + encode_varint(1) + b"c"
    parts = [encode_varint(len(inside) + size + len(after)) + inside, *[bytes(1 << 20)] * (size >> 20), after]
    if codec == GZIP:
        import zlib

        stream = zlib.compressobj(9, wbits=31)
        return wrap_payload(b"".join([*map(stream.compress, parts), stream.flush()]), 1, codec)
    if codec == SNAPPY:
        head = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
        blocks = [bytes(cramjam.snappy.compress_raw(part)) for part in parts]
        return wrap_payload(head + b"".join(struct.pack(">i", len(block)) + block for block in blocks), 1, codec)
    stream = (cramjam.zstd if codec == ZSTD else cramjam.lz4).Compressor()
    for part in parts:
        stream.compress(part)
    return wrap_payload(bytes(stream.finish()), 1, codec)


@pytest.mark.parametrize(("codec", "megabytes"), [(ZSTD, 1300), (GZIP, 200), (LZ4, 200), (SNAPPY, 200)])
def test_compression_bomb_takes_little_memory_and_keeps_its_headers(codec, megabytes):
    raw = bomb_of_size(codec, megabytes << 20)
    tracemalloc.start()
    try:
        (found,) = parse_all(raw, max_seconds=100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found.key, found.value, found.headers) == (b"k", None, (("correlation_id", b"c"),))
    assert found.serialized_value_size == megabytes << 20
    assert peak < len(raw) * 3 + (20 << 20)


def test_records_beyond_the_budget_keep_their_offset():
    inside = b"".join(encode_record(number, None, bytes(2_000_000)) for number in range(40))
    raw = wrap_payload(bytes(cramjam.zstd.compress(inside)), 40, ZSTD)
    found = parse_all(raw, max_bytes=20_000_000)
    assert [each.offset for each in found] == list(range(40))
    assert {each.serialized_value_size for each in found} == {2_000_000, UNKNOWN_SIZE}


def test_time_is_bounded_as_bytes_are():
    now = iter(range(10_000))
    raw = wrap_payload(bytes(cramjam.zstd.compress(encode_record(0, None, bytes(30_000_000)))), 1, ZSTD)
    (found,) = parse_all(raw, max_seconds=20, clock=lambda: next(now))
    assert found.serialized_value_size == UNKNOWN_SIZE


def test_batch_that_claims_endless_records_is_skipped():
    raw = wrap_payload(bytes(cramjam.zstd.compress(bytes(30_000_000))), 2**31 - 1, ZSTD, last_delta=2**31 - 2)
    assert skipped_ranges(parse_all(raw))[-1][1] == 2**31 - 2
    assert len(parse_all(raw, max_bytes=1)) <= 1001


def test_zstd_with_a_large_window_is_not_unpacked():
    block = (1 << 1 | 128 * 1024 << 3).to_bytes(3, "little") + b"\0"  # A block of the type that repeats one byte.
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([17 << 3])  # A window of 128 MiB.
    (found,) = parse_all(wrap_payload(frame + block * 1000, 1, ZSTD))
    assert found.serialized_value_size == UNKNOWN_SIZE


def test_snappy_block_that_declares_gigabytes_takes_no_memory():
    declared = b"\xff\xff\xff\xff\x0f"
    tracemalloc.start()
    try:
        (found,) = parse_all(wrap_payload(declared + b"x" * 100, 1, SNAPPY))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert isinstance(found, SkippedOffsets)


def test_wrong_last_offset_in_the_header_is_a_bound():
    raw = encode_batch(RECORDS)
    raw = with_checksum(raw[:LAST_DELTA] + (10).to_bytes(4, "big") + raw[LAST_DELTA + 4 :])
    found = parse_all(raw)
    assert [each.offset for each in found] == list(range(11))

"""Record batches, valid and invalid ones."""

import struct
import zlib
from collections.abc import Iterable
from typing import Any

import cramjam
from aiokafka import TopicPartition
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from carteiro.wire.record_batches.raw_batches import BATCH_HEADER, RawBatch, split_batches
from carteiro.wire.record_batches.record_fields import UnpackBudget
from carteiro.wire.record_batches.record_parser import ParsedRecord, parse_records

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
PARTITION = TopicPartition("requests", 0)
ATTRIBUTES, LAST_DELTA, COUNT = 21, 23, 57


def encode_batch(records: Iterable[tuple], codec: int = NONE, base: int = 0, **more: int) -> bytes:
    """Return a batch of (key, value, headers), as aiokafka writes it."""
    options = {"is_transactional": 0, "producer_id": -1, "producer_epoch": -1, "base_sequence": -1} | more
    builder = DefaultRecordBatchBuilder(magic=2, compression_type=codec, batch_size=1 << 30, **options)
    for offset, (key, value, headers) in enumerate(records):
        builder.append(offset, 1_700_000_000_000 + offset, key, value, list(headers))
    return base.to_bytes(8, "big") + bytes(builder.build())[8:]


def with_checksum(raw: bytes) -> bytes:
    """Return the batch with its correct length and checksum."""
    raw = raw[:8] + (len(raw) - 12).to_bytes(4, "big") + raw[12:]
    return raw[:17] + calc_crc32c(raw[21:]).to_bytes(4, "big") + raw[21:]


def wrap_payload(payload: bytes, count: int, codec: int = NONE, last_delta: int | None = None) -> bytes:
    """Return a batch whose header claims `count` records."""
    delta = count - 1 if last_delta is None else last_delta
    header = BATCH_HEADER.pack(0, 0, 0, 2, 0, codec, delta, 1_700_000_000_000, 1_700_000_000_000, -1, -1, -1, count)
    return with_checksum(header + payload)


def encode_varint(number: int) -> bytes:
    rest, out = (number << 1) ^ (number >> 63), bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


def encode_record(
    delta: int, key: bytes | None, value: bytes | None, headers: Iterable[tuple[bytes, bytes | None]] = ()
) -> bytes:
    def field(content: bytes | None) -> bytes:
        return encode_varint(-1) if content is None else encode_varint(len(content)) + content

    headers = list(headers)
    body = b"\0" + encode_varint(0) + encode_varint(delta) + field(key) + field(value) + encode_varint(len(headers))
    body += b"".join(field(name) + field(content) for name, content in headers)
    return encode_varint(len(body)) + body


def legacy_message(magic: int, offset: int, key: bytes | None, value: bytes | None, attributes: int = 0) -> bytes:
    """Return a message in a format of before Kafka 0.11."""

    def field(content: bytes | None) -> bytes:
        return struct.pack(">i", -1) if content is None else struct.pack(">i", len(content)) + content

    body = struct.pack(">bb", magic, attributes) + (struct.pack(">q", 1_500_000_000_000) if magic else b"")
    body += field(key) + field(value)
    return struct.pack(">qiI", offset, len(body) + 4, zlib.crc32(body)) + body


def compression_bomb(codec: int, megabytes: int, correlation_id: bytes) -> bytes:
    """Return a batch of one record whose value has `megabytes` MiB of zeros."""
    inside = b"\0\0\0" + encode_varint(1) + b"k" + encode_varint(megabytes << 20)
    after = (
        encode_varint(1) + encode_varint(14) + b"correlation_id" + encode_varint(len(correlation_id)) + correlation_id
    )
    length = encode_varint(len(inside) + (megabytes << 20) + len(after))
    parts = [length + inside, *[bytes(1 << 20)] * megabytes, after]
    if codec == GZIP:
        gzip = zlib.compressobj(9, wbits=31)
        return wrap_payload(b"".join([*map(gzip.compress, parts), gzip.flush()]), 1, codec)
    if codec == SNAPPY:
        blocks = [bytes(cramjam.snappy.compress_raw(part)) for part in parts]
        framed = b"".join(len(block).to_bytes(4, "big") + block for block in blocks)
        return wrap_payload(b"\x82SNAPPY\x00\0\0\0\1\0\0\0\1" + framed, 1, codec)
    stream = cramjam.zstd.Compressor() if codec == ZSTD else cramjam.lz4.Compressor(block_linked=False)
    for part in parts:
        stream.compress(part)
    return wrap_payload(bytes(stream.finish()), 1, codec)


def split_one(raw: bytes, start_offset: int = 0) -> RawBatch:
    (only,) = split_batches(raw, start_offset)
    return only


def parse_all(raw: bytes, start_offset: int = 0, **budget: Any) -> list[ParsedRecord]:
    """Return all that a batch holds."""
    return [
        each
        for each in parse_records(split_one(raw, start_offset), PARTITION, UnpackBudget(**budget))
        if each is not None
    ]

"""Parser of the records of any batch, in bounded memory and time.

A record whose value is above the budget's limit is read without the value. The unreadable part of a batch is
skipped. If a batch takes too long, only the offsets of its records are known.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.record.util import calc_crc32c

from carteiro.wire.record import UNKNOWN_SIZE, Headers
from carteiro.wire.record_batches.decompression import BatchTooLarge, UnreadableBatch, decompress
from carteiro.wire.record_batches.raw_batches import BATCH_HEADER, RawBatch
from carteiro.wire.record_batches.record_fields import (
    MAX_BUFFERED_BYTES,
    UnpackBudget,
    UnpackedStream,
    parse_fields,
    parse_large_fields,
)

_MAX_OFFSET_ONLY = 1000
"""Maximum number of records of one batch that are answered although only their offset is known."""
_CODECS, _LOG_APPEND_TIME = 0x07, 0x08
_CRC_START = 21
_MIN_RECORD_BYTES = 6
_MAX_TIMESTAMP = 2**63 - 1
_LEGACY = struct.Struct(">Ibb")
_LEGACY_CRC = 12


@dataclass(frozen=True, slots=True)
class SkippedOffsets:
    """Offsets without readable records, and the reason. It takes their position in the order of records."""

    topic: str
    partition: int
    first_offset: int
    offset: int
    """The last of the offsets."""
    reason: str
    timestamp: int = -1
    timestamp_type: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()


ParsedRecord: TypeAlias = ConsumerRecord[bytes, bytes] | SkippedOffsets


def parse_records(batch: RawBatch, partition: TopicPartition, budget: UnpackBudget) -> Iterator[ParsedRecord | None]:
    """Yield the records of a batch and its skipped offsets. None means that the next item needs more work.

    Never raise.
    """
    following = max(batch.base_offset, batch.start_offset)
    try:
        for record in (_parse_v2 if batch.magic >= 2 else _parse_legacy)(batch, partition, budget):
            if record is None:
                yield None
            elif record.offset >= following:
                following = record.offset + 1
                yield record
        return
    except BatchTooLarge:
        yield from _offset_only_records(batch, partition, following)
        return
    except UnreadableBatch as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001  # the next batch may be readable
        reason = f"reading it failed: {type(error).__name__}"
    if following <= batch.last_offset:
        yield SkippedOffsets(partition.topic, partition.partition, following, batch.last_offset, reason)


def _offset_only_records(batch: RawBatch, partition: TopicPartition, following: int) -> Iterator[ParsedRecord]:
    first = following
    if batch.record_count == batch.last_offset - batch.base_offset + 1:  # no record was removed by compaction
        timestamp = BATCH_HEADER.unpack_from(batch.data)[8] if batch.magic >= 2 else -1
        for offset in range(following, min(batch.last_offset + 1, following + _MAX_OFFSET_ONLY)):
            yield _record(partition, offset, timestamp, 0, None, None, UNKNOWN_SIZE, ())
            first = offset + 1
    if first <= batch.last_offset:
        yield SkippedOffsets(
            partition.topic, partition.partition, first, batch.last_offset, "it takes too long to unpack"
        )


def _parse_v2(batch: RawBatch, partition: TopicPartition, budget: UnpackBudget) -> Iterator[ConsumerRecord | None]:
    _, _, _, magic, crc, attributes, delta, first_timestamp, max_timestamp, _, _, _, count = BATCH_HEADER.unpack_from(
        batch.data
    )
    if magic != 2:
        raise UnreadableBatch(f"its format is not known, version {magic}")
    if calc_crc32c(bytes(batch.data[_CRC_START:])) != crc:
        raise UnreadableBatch("its checksum is wrong")
    if count < 0 or delta < 0:
        raise UnreadableBatch("its header is wrong")
    stamped_by_broker = bool(attributes & _LOG_APPEND_TIME)
    stream = UnpackedStream(decompress(attributes & _CODECS, batch.data[BATCH_HEADER.size :]), budget)
    previous = -1
    for _ in range(count):
        length = stream.read_varint()
        if length < _MIN_RECORD_BYTES:
            raise UnreadableBatch("a record's length is wrong")
        if length <= MAX_BUFFERED_BYTES:
            stream.ensure_buffered(length)
            start, stream.position = stream.position, stream.position + length
            fields = parse_fields(stream.buffer, start, stream.position, budget.max_value_bytes)
        else:
            fields = yield from parse_large_fields(stream, length)
        timestamp_delta, offset_delta, key, value, value_size, headers = fields
        if not previous < offset_delta <= delta:
            raise UnreadableBatch("a record's offset is beyond the batch")
        previous = offset_delta
        yield _record(
            partition,
            batch.base_offset + offset_delta,
            max_timestamp if stamped_by_broker else first_timestamp + timestamp_delta,
            int(stamped_by_broker),
            key,
            value,
            value_size,
            headers,
        )


def _parse_legacy(batch: RawBatch, partition: TopicPartition, budget: UnpackBudget) -> Iterator[ConsumerRecord]:
    """Yield the message of the formats 0 and 1, which logs from before Kafka 0.11 may hold."""
    data = bytes(batch.data)
    crc, magic, attributes = _LEGACY.unpack_from(data, _LEGACY_CRC)
    if zlib.crc32(data[_LEGACY_CRC + 4 :]) != crc:
        raise UnreadableBatch("its checksum is wrong")
    if attributes & _CODECS:
        raise UnreadableBatch("it is compressed in a format of before Kafka 0.11")
    position = _LEGACY_CRC + _LEGACY.size + (8 if magic else 0)
    timestamp = int.from_bytes(data[position - 8 : position], "big", signed=True) if magic else -1
    fields: list[bytes | None] = []
    for _field_number in range(2):
        size = int.from_bytes(data[position : position + 4], "big", signed=True)
        position += 4
        if size > len(data) - position:
            raise UnreadableBatch("it ends early")
        fields.append(data[position : position + size] if size >= 0 else None)
        position += max(size, 0)
    key, value = fields
    size = -1 if value is None else len(value)
    stamped_by_broker = int(bool(attributes & _LOG_APPEND_TIME))
    kept = value if size <= budget.max_value_bytes else None
    yield _record(partition, batch.base_offset, timestamp, stamped_by_broker, key, kept, size, ())


def _record(
    partition: TopicPartition,
    offset: int,
    timestamp: int,
    timestamp_type: int,
    key: bytes | None,
    value: bytes | None,
    value_size: int,
    headers: Headers,
) -> ConsumerRecord:
    timestamp = min(max(timestamp, -_MAX_TIMESTAMP), _MAX_TIMESTAMP)
    key_size = -1 if key is None else len(key)
    return ConsumerRecord(
        partition.topic,
        partition.partition,
        offset,
        timestamp,
        timestamp_type,
        key,
        value,
        None,
        key_size,
        value_size,
        headers,
    )

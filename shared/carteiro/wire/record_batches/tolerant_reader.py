"""Reader of Carteiro's own topics, which may hold records that Kafka's client cannot read."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.record.memory_records import MemoryRecords

from carteiro.wire.record import Record
from carteiro.wire.record_batches.raw_batches import RawBatch, raw_batch_marker

log = logging.getLogger("carteiro.wire")

RAW_BATCH_OPTIONS: dict[str, Any] = {"value_deserializer": raw_batch_marker}
"""Options of an `AIOKafkaConsumer` whose batches `read_records` parses."""


def read_records(batches: Iterable[RawBatch], partition: TopicPartition) -> Iterator[Record]:
    """Yield the records of batches. Each batch is parsed by itself: an unreadable batch affects no other."""
    for batch in batches:
        try:
            records = [*_parse_strictly(batch, partition)]
        except Exception:  # noqa: BLE001  # a batch may hold any bytes
            records = _parse_tolerantly(batch, partition)
        yield from (record for record in records if record.offset >= batch.start_offset)


def _parse_strictly(batch: RawBatch, partition: TopicPartition) -> Iterator[Record]:
    memory = MemoryRecords(bytes(batch.data))
    while (following := memory.next_batch()) is not None:
        if not following.validate_crc():
            raise ValueError("wrong checksum")
        for record in following:
            yield _to_consumer_record(record, partition)


def _to_consumer_record(record: Any, partition: TopicPartition) -> Any:
    key, value = record.key, record.value
    return ConsumerRecord(
        partition.topic,
        partition.partition,
        record.offset,
        record.timestamp,
        record.timestamp_type,
        key,
        value,
        record.checksum,
        -1 if key is None else len(key),
        -1 if value is None else len(value),
        tuple(record.headers),
    )


def _parse_tolerantly(batch: RawBatch, partition: TopicPartition) -> list[Any]:
    # Imported here because it needs modules that Windows does not have.
    from carteiro.wire.record_batches.record_fields import UnpackBudget
    from carteiro.wire.record_batches.record_parser import SkippedOffsets, parse_records

    found = [each for each in parse_records(batch, partition, UnpackBudget()) if each is not None]
    for each in found:
        if isinstance(each, SkippedOffsets):
            position = f"{partition.topic}/{partition.partition}/{each.first_offset}"
            log.warning("passing over records that cannot be read, from %s: %s", position, each.reason)
    return [each for each in found if not isinstance(each, SkippedOffsets)]


async def poll_records(consumer: AIOKafkaConsumer, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
    """Return the next records by partition, after at most `timeout_ms`. The consumer has `RAW_BATCH_OPTIONS`."""
    read = await consumer.getmany(timeout_ms=timeout_ms)
    return {partition: [*read_records(batches, partition)] for partition, batches in read.items()}

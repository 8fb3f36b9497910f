"""Compressed batches on the embedded broker."""

from typing import get_args

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.kafka.producers import acknowledged_producer
from carteiro.wire.compression import Compression
from carteiro.wire.record import OutgoingRecord
from carteiro.wire.record_batches.raw_batches import BATCH_HEADER, RawBatch
from carteiro.wire.record_batches.tolerant_reader import RAW_BATCH_OPTIONS, read_records

CODECS: dict[Compression, int] = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


async def first_batch(broker: EmbeddedBroker, partition: TopicPartition) -> RawBatch:
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False} | RAW_BATCH_OPTIONS
    async with AIOKafkaConsumer(bootstrap_servers=broker.address, **options) as consumer:
        consumer.assign([partition])
        while not (found := (await consumer.getmany(timeout_ms=1000)).get(partition)):
            pass
        batch: RawBatch = found[0]
        return batch


@pytest.mark.parametrize("compression", get_args(Compression))
async def test_embedded_broker_stores_what_a_producer_compresses(
    broker: EmbeddedBroker, compression: Compression
) -> None:
    partition = TopicPartition(f"compressed.{compression}", 0)
    value = b'{"status": "ok"}' * 1000
    options = {"bootstrap_servers": broker.address}
    async with acknowledged_producer(options, compression=compression) as producer:
        await (await producer.dispatch(OutgoingRecord(partition.topic, 0, b"key", value, ())))
    batch = await first_batch(broker, partition)
    assert BATCH_HEADER.unpack_from(batch.data)[5] & 7 == CODECS[compression]
    assert [record.value for record in read_records([batch], partition)] == [value]

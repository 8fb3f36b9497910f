"""The final content of Kafka, read with librdkafka: another library than that of the workers and the tests."""

import asyncio
from collections import Counter

from confluent_kafka import Consumer, KafkaError, TopicPartition

from tests.containers.traffic import CORRELATION

_SECONDS = 60.0


async def count_by_correlation_id(address: str, topic: str, isolation_level: str) -> Counter[str]:
    """Return the number of records of the topic for each correlation id, without chunks of streamed replies."""
    return await asyncio.to_thread(_count_records, address, topic, isolation_level)


async def lag(address: str, topic: str, group: str) -> dict[int, int]:
    """Return the number of uncommitted records by partition, without partitions that have none."""
    return await asyncio.to_thread(_lag, address, topic, group)


def _count_records(address: str, topic: str, isolation_level: str) -> Counter[str]:
    consumer = _consumer(address, "audit", {"isolation.level": isolation_level})
    try:
        ends = _ends(consumer, topic)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
        found: Counter[str] = Counter()
        read: dict[int, int] = {}
        # The end is the log's own and not that of the isolation level: an open transaction shows as a failure.
        while any(read.get(partition, -1) < end for partition, end in ends.items()):
            record = consumer.poll(_SECONDS)
            assert record is not None, f"{topic} cannot be read to its end at {isolation_level}"
            if record.error() is None:
                headers = dict(record.headers())
                if headers.get("final") != b"false":
                    found[headers[CORRELATION].decode()] += 1
            elif record.error().code() == KafkaError._PARTITION_EOF:
                read[record.partition()] = record.offset()
        return found
    finally:
        consumer.close()


def _lag(address: str, topic: str, group: str) -> dict[int, int]:
    consumer = _consumer(address, group, {})
    try:
        ends = _ends(consumer, topic)
        committed = consumer.committed([TopicPartition(topic, partition) for partition in ends], _SECONDS)
        behind = {each.partition: ends[each.partition] - max(each.offset, 0) for each in committed}
        return {partition: records for partition, records in behind.items() if records}
    finally:
        consumer.close()


def _consumer(address: str, group: str, options: dict[str, str]) -> Consumer:
    return Consumer(
        {"bootstrap.servers": address, "group.id": group, "enable.auto.commit": False, "enable.partition.eof": True}
        | options
    )


def _ends(consumer: Consumer, topic: str) -> dict[int, int]:
    partitions = consumer.list_topics(topic, _SECONDS).topics[topic].partitions
    return {each: consumer.get_watermark_offsets(TopicPartition(topic, each), _SECONDS)[1] for each in partitions}

"""What is in Kafka when all is over, read with librdkafka: another library than the workers' and the tests'."""

import asyncio
from collections import Counter

from confluent_kafka import Consumer, KafkaError, TopicPartition

from tests.containers.traffic import CORRELATION

_SECONDS = 60.0


async def records_by_correlation(address: str, topic: str, isolation_level: str) -> Counter[str]:
    """How many records the topic holds for each correlation id; pieces of streamed replies do not count."""
    return await asyncio.to_thread(_records, address, topic, isolation_level)


async def lag(address: str, topic: str, group: str) -> dict[int, int]:
    """How many records of each partition the group has not committed; partitions without any are left out."""
    return await asyncio.to_thread(_lag, address, topic, group)


def _records(address: str, topic: str, isolation_level: str) -> Counter[str]:
    consumer = _consumer(address, "audit", {"isolation.level": isolation_level})
    try:
        ends = _ends(consumer, topic)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
        found: Counter[str] = Counter()
        read: dict[int, int] = {}
        # The end is the log's own, not that of the reader's isolation: a transaction left open shows as a failure.
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

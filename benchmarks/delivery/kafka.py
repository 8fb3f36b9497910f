"""The benchmark's own use of Kafka: topics, the backlog, and the replies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from benchmarks.delivery.traffic import RecordKind


@dataclass(frozen=True, slots=True)
class MeasuredReply:
    """A reply: the request's number, and the time at which the broker appended it (milliseconds since 1970)."""

    request: str
    at_ms: int
    ok: bool


async def preload(bootstrap: str, topic: str, partitions: int, count: int, traffic: RecordKind) -> None:
    """Send the whole backlog, to the partitions in turn."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, max_batch_size=256 * 1024)
    async with producer:
        sent = None
        for number in range(count):
            sent = await send(producer, topic, number, traffic, number % partitions)
        await producer.flush()
        if sent:
            await sent


async def send(
    producer: AIOKafkaProducer, topic: str, number: int, traffic: RecordKind, partition: int | None = None
) -> "asyncio.Future[object]":
    """Give one request to the producer."""
    headers = [("correlation_id", b"%d" % number)]
    future: asyncio.Future[object] = await producer.send(
        topic, traffic.make_value(number), partition=partition, headers=headers
    )
    return future


@asynccontextmanager
async def open_consumer(bootstrap: str, topic: str, partitions: int) -> AsyncIterator[AIOKafkaConsumer]:
    """Return a consumer of all committed records, from the beginning."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    async with consumer:
        consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])
        yield consumer


async def end_offset_sum(consumer: AIOKafkaConsumer) -> int:
    """Return the sum of the end offsets of the assigned partitions. A transaction's end marker counts as a record."""
    return sum((await consumer.end_offsets(list(consumer.assignment()))).values())


async def read_replies(consumer: AIOKafkaConsumer, traffic: RecordKind) -> list[MeasuredReply]:
    """Return all replies."""
    replies: list[MeasuredReply] = []
    ends = await consumer.end_offsets(list(consumer.assignment()))
    while any([await consumer.position(partition) < end for partition, end in ends.items()]):
        for records in (await consumer.getmany(timeout_ms=500)).values():
            replies += (parse_reply(record, traffic) for record in records)
    return replies


def parse_reply(record: ConsumerRecord[bytes, bytes], traffic: RecordKind) -> MeasuredReply:
    number = dict(record.headers)["correlation_id"].decode()
    return MeasuredReply(number, record.timestamp, traffic.is_ok(record.value))

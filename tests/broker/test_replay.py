"""Replays of topics of a broker."""

import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.kafka.compacted_topic import read_compacted
from carteiro.kafka.replay import replay
from carteiro.wire.record_batches.tolerant_reader import RAW_BATCH_OPTIONS

STALL_SECONDS = 30.0


@pytest.fixture
async def partitions(broker: EmbeddedBroker) -> AsyncIterator[list[TopicPartition]]:
    """The two partitions of a new topic."""
    topic = f"replayed-{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    yield [TopicPartition(topic, each) for each in range(2)]
    await admin.close()


@pytest.fixture
async def producer(broker: EmbeddedBroker) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=broker.address) as running:
        yield running


@pytest.fixture
async def consumer(broker: EmbeddedBroker, partitions: list[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    made = AIOKafkaConsumer(bootstrap_servers=broker.address, enable_auto_commit=False, **RAW_BATCH_OPTIONS)
    await made.start()
    made.assign(partitions)
    yield made
    await made.stop()


async def write(producer: AIOKafkaProducer, partition: TopicPartition, values: list[bytes]) -> None:
    for value in values:
        await producer.send_and_wait(partition.topic, value, partition=partition.partition)


async def read(consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int]) -> dict[int, list[bytes | None]]:
    found: dict[int, list[bytes | None]] = {each.partition: [] for each in starts}
    async for record in replay(consumer, starts, stall_seconds=STALL_SECONDS):
        found[record.partition].append(record.value)
    return found


async def test_records_of_all_partitions_are_read_in_order(
    consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, partitions: list[TopicPartition]
) -> None:
    first, second = partitions
    await write(producer, first, [b"1", b"2", b"3"])
    await write(producer, second, [b"4"])
    assert await read(consumer, {first: 0, second: 0}) == {0: [b"1", b"2", b"3"], 1: [b"4"]}


async def test_replay_starts_at_the_offsets_and_reads_no_other_partition(
    consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, partitions: list[TopicPartition]
) -> None:
    first, second = partitions
    await write(producer, first, [b"1", b"2", b"3"])
    await write(producer, second, [b"4"])
    assert await read(consumer, {first: 1}) == {0: [b"2", b"3"]}
    assert await read(consumer, {first: 0, second: 0}) == {0: [b"1", b"2", b"3"], 1: [b"4"]}


async def test_replay_of_an_empty_topic_ends_at_once(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition]
) -> None:
    assert await read(consumer, dict.fromkeys(partitions, 0)) == {0: [], 1: []}


async def test_replay_does_not_wait_for_records_that_are_written_later(
    consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, partitions: list[TopicPartition]
) -> None:
    first, _ = partitions
    await write(producer, first, [b"1", b"2"])
    seen: list[bytes | None] = []
    async for record in replay(consumer, {first: 0}, stall_seconds=STALL_SECONDS):
        seen.append(record.value)
        # With an end that moves, the replay would never end.
        await write(producer, first, [b"later"] * 2)
    assert seen[:2] == [b"1", b"2"]


async def test_last_value_of_each_key_is_the_state_of_a_compacted_partition(
    broker: EmbeddedBroker, producer: AIOKafkaProducer, partitions: list[TopicPartition]
) -> None:
    first, second = partitions
    records = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"b", None), (None, b"4")]
    for key, value in records:
        await producer.send_and_wait(first.topic, value, key, partition=first.partition)
    options = {"bootstrap_servers": broker.address}
    assert await read_compacted(options, first) == ({b"a": b"3"}, len(records), 0)
    assert await read_compacted(options, second) == ({}, 0, 0)


async def test_keys_count_for_the_limit_of_a_compacted_partition(
    broker: EmbeddedBroker, producer: AIOKafkaProducer, partitions: list[TopicPartition]
) -> None:
    first, _ = partitions
    for key in (b"a" * 100, b"b" * 100, b"a" * 100, b"c"):
        await producer.send_and_wait(first.topic, b"", key, partition=first.partition)
    values, _, left_out = await read_compacted({"bootstrap_servers": broker.address}, first, max_bytes=150)
    assert (values, left_out) == ({b"a" * 100: b"", b"c": b""}, 1)

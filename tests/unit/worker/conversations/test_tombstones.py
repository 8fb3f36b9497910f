"""Conversations that are deleted from their topic while the worker serves them."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.worker.conversations.tombstones import TombstoneWatcher
from tests.conftest import eventually


@pytest.fixture
async def topic(broker: EmbeddedBroker) -> AsyncIterator[str]:
    """A new topic with two partitions."""
    name = f"conversations-{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    await admin.create_topics([NewTopic(name, 2, 1)])
    yield name
    await admin.close()


@pytest.fixture
async def producer(broker: EmbeddedBroker) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=broker.address) as running:
        yield running


async def test_tombstones_of_watched_partitions_are_reported_from_their_offsets(
    broker: EmbeddedBroker, topic: str, producer: AIOKafkaProducer
) -> None:
    found: list[tuple[int, bytes]] = []
    watcher = TombstoneWatcher(
        topic, {"bootstrap_servers": broker.address}, lambda partition, key: found.append((partition, key))
    )
    for partition, key, value in [(0, b"before", None), (0, b"kept", b"x"), (0, b"gone", None), (1, b"other", None)]:
        await producer.send_and_wait(topic, value, key, partition=partition)
    running = asyncio.create_task(watcher.run())
    watcher.watch(0, 1)
    await eventually(lambda: found)
    assert found == [(0, b"gone")]
    watcher.watch(1, 0)
    await eventually(lambda: len(found) == 2)
    assert found[1] == (1, b"other")
    watcher.unwatch(0)
    await producer.send_and_wait(topic, None, b"lost", partition=0)
    await producer.send_and_wait(topic, None, b"last", partition=1)
    await eventually(lambda: (1, b"last") in found)
    assert (0, b"lost") not in found
    watcher.unwatch(1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

"""The consumer of reply topics, with a Kafka consumer that never finds the end of a topic."""

import asyncio

import pytest

from carteiro.client import reply_consumer
from carteiro.client.errors import CarteiroError
from carteiro.client.reply_consumer import ReplyConsumer


class HaltedConsumer:
    def __init__(self, **_options) -> None:
        self.end_requested = asyncio.Event()

    async def stop(self) -> None: ...

    def assign(self, _partitions) -> None: ...

    async def seek_to_end(self, *_partitions) -> None:
        self.end_requested.set()
        await asyncio.Event().wait()


async def partitions(_topic):
    return {0}


@pytest.fixture
def reader(monkeypatch):
    monkeypatch.setattr(reply_consumer, "AIOKafkaConsumer", HaltedConsumer)
    return ReplyConsumer({}, partitions)


async def test_call_that_subscribes_to_a_topic_ends_when_the_client_is_stopped(reader):
    call = asyncio.create_task(reader.add_partitions("llm.chat.replies", {0}))
    await reader._consumer.end_requested.wait()
    await reader.stop()
    with pytest.raises(CarteiroError, match="stopped"):
        async with asyncio.timeout(5):
            await call


async def test_stopped_client_accepts_no_more_calls(reader):
    await reader.stop()
    with pytest.raises(CarteiroError, match="stopped"):
        await reader.add_partitions("llm.chat.replies", {0})
    with pytest.raises(CarteiroError, match="stopped"), reader.expect_reply(b"id"):
        pass

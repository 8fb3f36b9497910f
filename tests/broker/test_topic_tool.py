"""A tool behind Kafka, whose calls another program answers."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError
from structlog.testing import capture_logs

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.settings.tools_file import TopicEntry
from carteiro.wire.record import last_header
from carteiro.worker.tools.interface import ToolFailed
from carteiro.worker.tools.topic_tool import TopicTool


@asynccontextmanager
async def serving(broker: EmbeddedBroker, answers: list[bytes | None]) -> AsyncIterator[tuple[TopicTool, list[Any]]]:
    """Run a tool, and a program that gives its calls these answers; None is no answer. Yield the calls too."""
    name = f"tool-{uuid.uuid4().hex[:8]}"
    requests, replies = f"{name}.requests", f"{name}.replies"
    entry = TopicEntry(topic=requests, replies=replies, description="x", timeout="4s", tries=len(answers))
    records: list[Any] = []
    producer = AIOKafkaProducer(bootstrap_servers=broker.address)
    await producer.start()
    for topic in (requests, replies):
        await producer.partitions_for(topic)
    consumer = AIOKafkaConsumer(requests, bootstrap_servers=broker.address, auto_offset_reset="earliest")
    await consumer.start()

    async def answer() -> None:
        async for record in consumer:
            records.append(record)
            correlation_id, reply_to = (last_header(record.headers, each) for each in ("correlation_id", "reply_to"))
            assert correlation_id is not None
            assert reply_to is not None
            await producer.send(replies, b"another's", headers=[("correlation_id", b"else")])
            if (value := answers[min(len(records), len(answers)) - 1]) is not None:
                await producer.send_and_wait(reply_to.decode(), value, headers=[("correlation_id", correlation_id)])

    tool = TopicTool(name, entry, {"bootstrap_servers": broker.address}, lambda: producer)
    tasks = [asyncio.create_task(each) for each in (answer(), tool.run())]
    await tool._tried.wait()
    yield tool, records
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await consumer.stop()
    await producer.stop()


async def test_call_is_a_record_and_its_answer_another(broker: EmbeddedBroker) -> None:
    async with serving(broker, [b'{"result": "shipped"}']) as (tool, records):
        assert await tool.call("order_status", {"id": "7"}) == "shipped"
        assert json.loads(records[0].value) == {"tool": "order_status", "arguments": {"id": "7"}}
        timeout = last_header(records[0].headers, "timeout_ms")
        assert timeout is not None
        assert 0 < int(timeout) <= 4000


@pytest.mark.parametrize("missing", ["requests", "replies"])
async def test_call_fails_at_once_if_a_topic_is_missing(broker: EmbeddedBroker, missing: str) -> None:
    class Producer(AIOKafkaProducer):
        async def partitions_for(self, topic: str) -> set[int]:
            if topic == missing:
                raise UnknownTopicOrPartitionError
            return {0}

    async with Producer(bootstrap_servers=broker.address) as producer:
        entry = TopicEntry(topic="requests", replies="replies", description="x")
        tool = TopicTool("order_status", entry, {"bootstrap_servers": broker.address}, lambda: producer)
        task = asyncio.create_task(tool.run())
        with capture_logs() as logs, pytest.raises(ToolFailed, match="cannot be reached"):
            await tool.call("order_status", {})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert f"Kafka has no topic {missing}: `carteiro topics create`" in logs[0]["reason"]


async def test_call_without_an_answer_is_sent_again_with_the_same_ids(broker: EmbeddedBroker) -> None:
    async with serving(broker, [None, b'{"error": "no order 7"}']) as (tool, records):
        with pytest.raises(ToolFailed, match="no order 7"):
            await tool.call("order_status", {"id": "7"})
        first, second = (
            [last_header(each.headers, n) for n in ("correlation_id", "idempotency_key")] for each in records
        )
        assert first == second

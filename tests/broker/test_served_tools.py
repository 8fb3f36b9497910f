"""A whole worker that runs a tool behind Kafka for its model."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.client import Carteiro
from carteiro.wire.record import last_header
from tests.broker.conftest import TOOL
from tests.provider import Provider, completions

QUESTION = "Where is order 7 of the shop?"


@pytest_asyncio.fixture(loop_scope="session")
async def shop(broker: EmbeddedBroker, provider: Provider) -> AsyncIterator[None]:
    """Answer the calls of the tool, and let the model call it twice."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.address)
    consumer = AIOKafkaConsumer(TOOL["topic"], bootstrap_servers=broker.address, auto_offset_reset="earliest")
    await producer.start()
    await consumer.start()

    async def answer() -> None:
        async for record in consumer:
            correlation_id = last_header(record.headers, "correlation_id")
            assert correlation_id is not None
            number = json.loads(record.value)["arguments"]["number"]
            value = json.dumps({"result": f"order {number} was shipped"}).encode()
            await producer.send_and_wait(TOOL["replies"], value, headers=[("correlation_id", correlation_id)])

    async def complete(_: web.Request, body: dict[str, Any]) -> web.Response:
        last = body["messages"][-1]
        if last["role"] == "tool":
            return web.json_response(completions.completion(body, f"It says: {last['content']}.", "stop", 9, 9))
        function = {"name": body["tools"][0]["function"]["name"], "arguments": '{"number": "7"}'}
        calls = [{"id": "call_1", "type": "function", "function": function}]
        return web.json_response(completions.completion(body, None, "tool_calls", 9, 9, tool_calls=calls))

    provider.next_handlers(complete, complete, complete, complete)
    answering = asyncio.create_task(answer())
    yield
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    provider.forget()
    await consumer.stop()
    await producer.stop()


async def test_worker_asks_a_tool_and_tells_it_in_the_reply(carteiro: Carteiro, shop: None) -> None:
    reply = await carteiro.chat(QUESTION, served_tools=["order_status"])
    assert reply.result.message.content == "It says: order 7 was shipped."
    (step,) = reply.result.steps
    assert (step.tool, step.arguments, step.failed) == ("order_status", {"number": "7"}, False)
    assert reply.usage.input_tokens == 18
    chunks = [each async for each in carteiro.stream.generate(QUESTION, served_tools=["order_status"])]
    assert chunks[-1].result.text == "It says: order 7 was shipped."

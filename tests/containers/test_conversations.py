"""chat keeps conversations: through `kill -9`, what is kept is what was replied, each turn once and in its order."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.containers.traffic import Traffic
from tests.provider import ScriptedProvider
from tests.provider.completions import Json, answer, last_words, messages

pytestmark = [pytest.mark.containers, pytest.mark.long, pytest.mark.timeout(200)]

GUESTS = [f"guest-{number}" for number in range(6)]
TURNS = 8


class Memory:
    """Answers each call differently, and remembers what it was shown for the call."""

    def __init__(self) -> None:
        self.shown: dict[str, list[str]] = {}

    async def __call__(self, request: web.Request, asked: Json) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        text = f"answer {len(self.shown)} to {last_words(asked)}"
        self.shown[text] = [message["content"] for message in messages(asked)]
        return web.json_response(answer(asked, text))


class Conversing(Traffic):
    """Requests whose prompts begin with their conversation's id."""

    def _body(self, prompt: str) -> dict[str, Any]:
        return {"conversation_id": prompt.split(maxsplit=1)[0], **super()._body(prompt)}


async def kept(address: str, topic: str) -> dict[str, list[tuple[str, str]]]:
    """By conversation, its turns as they are kept: what was asked, and the answer."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=address, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    found: dict[str, list[tuple[str, str]]] = {}
    await consumer.start()
    try:
        await consumer._client.set_topics([topic])
        partitions = [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in [each for each in records if each.value]:
                    turns = [turn["messages"] for turn in json.loads(record.value)["turns"]]
                    found[record.key.decode()] = [(asked["content"], said["content"]) for asked, said in turns]
    finally:
        await consumer.stop()
    return found


async def test_a_conversation_outlives_its_worker(kafka: ApacheKafka, model: ScriptedProvider):
    memory = Memory()
    model.when("guest-", memory)
    cluster = Cluster(kafka.address, model, "kept", task="chat", partitions=2, static=True)
    async with cluster, Conversing(kafka.address, cluster.topics, task="chat") as traffic:
        await cluster.started("a")
        for turn in range(TURNS):
            for guest in GUESTS:
                await traffic.send([f"{guest} {turn}"], key=guest)
        for part in (1, 2):
            await traffic.reached(len(traffic.prompts) * part // 3)
            cluster.kill("a")
            await cluster.started("a")
        await traffic.answered(traffic.prompts)
        answers = {
            prompt: traffic.reply(each)["result"]["message"]["content"] for each, prompt in traffic.prompts.items()
        }
        await cluster.finish(traffic)

    conversations = {guest: [f"{guest} {turn}" for turn in range(TURNS)] for guest in GUESTS}
    expected = {guest: [(prompt, answers[prompt]) for prompt in said] for guest, said in conversations.items()}
    assert await kept(kafka.address, "kept.chat.conversations") == expected
    for turns in expected.values():
        for number, (prompt, said) in enumerate(turns):
            before = [text for turn in turns[:number] for text in turn]
            assert memory.shown[said] == [*before, prompt]

"""chat keeps conversations through `kill -9`: each reply is one turn, and turns are in order."""

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


class ConversationModel:
    """Model that answers each call differently, and remembers the messages that it was shown for the call."""

    def __init__(self) -> None:
        self.shown: dict[str, list[str]] = {}

    async def __call__(self, request: web.Request, body: Json) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        text = f"answer {len(self.shown)} to {last_words(body)}"
        self.shown[text] = [message["content"] for message in messages(body)]
        return web.json_response(answer(body, text))


class ConversationTraffic(Traffic):
    """Requests whose prompts begin with their conversation's id."""

    def _body(self, prompt: str) -> dict[str, Any]:
        return {"conversation_id": prompt.split(maxsplit=1)[0], **super()._body(prompt)}


async def kept(address: str, topic: str) -> dict[str, list[tuple[str, str]]]:
    """Return the stored turns by conversation: the question and the answer."""
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
                    found[record.key.decode()] = [(body["content"], text["content"]) for body, text in turns]
    finally:
        await consumer.stop()
    return found


async def test_conversation_survives_a_worker_crash(kafka: ApacheKafka, model: ScriptedProvider):
    memory = ConversationModel()
    model.when("guest-", memory)
    cluster = Cluster(kafka.address, model, "kept", task="chat", partitions=2, static=True)
    async with cluster, ConversationTraffic(kafka.address, cluster.topics, task="chat") as traffic:
        await cluster.start_and_wait("a")
        for turn in range(TURNS):
            for guest in GUESTS:
                await traffic.send([f"{guest} {turn}"], key=guest)
        for part in (1, 2):
            await traffic.wait_for_replies(len(traffic.prompts) * part // 3)
            cluster.kill("a")
            await cluster.start_and_wait("a")
        await traffic.wait_until_answered(traffic.prompts)
        answers = {
            prompt: traffic.reply(each)["result"]["message"]["content"] for each, prompt in traffic.prompts.items()
        }
        await cluster.stop_and_check(traffic)

    conversations = {guest: [f"{guest} {turn}" for turn in range(TURNS)] for guest in GUESTS}
    expected = {guest: [(prompt, answers[prompt]) for prompt in prompts] for guest, prompts in conversations.items()}
    assert await kept(kafka.address, "kept.chat.conversations") == expected
    for turns in expected.values():
        for number, (prompt, text) in enumerate(turns):
            before = [text for turn in turns[:number] for text in turn]
            assert memory.shown[text] == [*before, prompt]

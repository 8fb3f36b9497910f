"""chat: a conversation's requests are answered one after the other, in their order, and conversations side by side."""

import asyncio
from collections import Counter, defaultdict

import pytest
from aiohttp import web

from tests.conftest import eventually
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.containers.traffic import Traffic
from tests.provider import ScriptedProvider
from tests.provider.completions import Json, complete, last_words

pytestmark = [pytest.mark.containers, pytest.mark.timeout(200)]

KEYS = [f"guest-{number}" for number in range(6)]
TURNS = 8


class Conversations:
    """Answers after a moment, of different length, and sees whether a key has two calls at a time."""

    def __init__(self) -> None:
        self.running: Counter[str] = Counter()
        self.overlaps: list[str] = []

    async def __call__(self, request: web.Request, asked: Json) -> web.StreamResponse:
        prompt = last_words(asked)
        key, turn = prompt.split()
        if self.running[key]:
            self.overlaps.append(prompt)
        self.running[key] += 1
        try:
            await asyncio.sleep(0.3 if int(turn) % 2 else 0.05)
            return web.json_response(complete(asked))
        finally:
            self.running[key] -= 1


async def converse(traffic: Traffic) -> None:
    for turn in range(TURNS):
        for key in KEYS:
            await traffic.send([f"{key} {turn}"], key=key)


def turns_of_replies(traffic: Traffic) -> dict[str, list[str]]:
    """By key, the prompts in the order of their replies."""
    prompts = defaultdict(list)
    for record in traffic.replies:
        prompts[record.key.decode()].append(traffic.prompts[dict(record.headers)["correlation_id"].decode()])
    return prompts


IN_ORDER = {key: [f"{key} {turn}" for turn in range(TURNS)] for key in KEYS}


async def test_one_request_of_a_key_at_a_time_and_all_keys_at_once(kafka: ApacheKafka, model: ScriptedProvider):
    conversations = Conversations()
    model.when("guest-", conversations)
    cluster = Cluster(kafka.address, model, "order", task="chat", partitions=2)
    async with cluster, cluster.traffic() as traffic:
        await cluster.started("a")
        model.hold()
        await converse(traffic)
        await eventually(lambda: all(model.calls[f"{key} 0"] for key in KEYS))
        model.release()
        await traffic.answered(traffic.prompts)
        assert not conversations.overlaps
        assert turns_of_replies(traffic) == IN_ORDER
        assert cluster.calls(traffic) == len(traffic.prompts)
        await cluster.finish(traffic)


@pytest.mark.long
async def test_the_order_outlives_the_worker(kafka: ApacheKafka, model: ScriptedProvider):
    conversations = Conversations()
    model.when("guest-", conversations)
    cluster = Cluster(kafka.address, model, "order-crash", task="chat", partitions=2, window=4, static=True)
    async with cluster, cluster.traffic() as traffic:
        await cluster.started("a")
        await converse(traffic)
        await traffic.reached(len(traffic.prompts) // 3)
        cluster.kill("a")
        await cluster.started("a")
        await traffic.answered(traffic.prompts)
        assert not conversations.overlaps
        assert turns_of_replies(traffic) == IN_ORDER
        assert cluster.calls(traffic) <= len(traffic.prompts) + cluster.window * cluster.partitions
        await cluster.finish(traffic)

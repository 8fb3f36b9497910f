"""chat: a conversation's requests are answered in their order, one at a time. Conversations run in parallel."""

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


class OverlapDetector:
    """Model that answers after a varying delay, and notes a key with two calls at a time."""

    def __init__(self) -> None:
        self.running: Counter[str] = Counter()
        self.overlaps: list[str] = []

    async def __call__(self, request: web.Request, body: Json) -> web.StreamResponse:
        prompt = last_words(body)
        key, turn = prompt.split()
        if self.running[key]:
            self.overlaps.append(prompt)
        self.running[key] += 1
        try:
            await asyncio.sleep(0.3 if int(turn) % 2 else 0.05)
            return web.json_response(complete(body))
        finally:
            self.running[key] -= 1


async def converse(traffic: Traffic) -> None:
    for turn in range(TURNS):
        for key in KEYS:
            await traffic.send([f"{key} {turn}"], key=key)


def turns_of_replies(traffic: Traffic) -> dict[str, list[str]]:
    """Return the prompts in the order of their replies, by key."""
    prompts = defaultdict(list)
    for record in traffic.replies:
        prompts[record.key.decode()].append(traffic.prompts[dict(record.headers)["correlation_id"].decode()])
    return prompts


IN_ORDER = {key: [f"{key} {turn}" for turn in range(TURNS)] for key in KEYS}


async def test_requests_of_a_key_run_in_turn_and_keys_run_in_parallel(kafka: ApacheKafka, model: ScriptedProvider):
    conversations = OverlapDetector()
    model.when("guest-", conversations)
    cluster = Cluster(kafka.address, model, "order", task="chat", partitions=2)
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        model.hold()
        await converse(traffic)
        await eventually(lambda: all(model.calls[f"{key} 0"] for key in KEYS))
        model.release()
        await traffic.wait_until_answered(traffic.prompts)
        assert not conversations.overlaps
        assert turns_of_replies(traffic) == IN_ORDER
        assert cluster.calls(traffic) == len(traffic.prompts)
        await cluster.stop_and_check(traffic)


@pytest.mark.long
async def test_order_survives_a_worker_crash(kafka: ApacheKafka, model: ScriptedProvider):
    conversations = OverlapDetector()
    model.when("guest-", conversations)
    cluster = Cluster(kafka.address, model, "order-crash", task="chat", partitions=2, max_in_flight=4, static=True)
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        await converse(traffic)
        await traffic.wait_for_replies(len(traffic.prompts) // 3)
        cluster.kill("a")
        await cluster.start_and_wait("a")
        await traffic.wait_until_answered(traffic.prompts)
        assert not conversations.overlaps
        assert turns_of_replies(traffic) == IN_ORDER
        assert cluster.calls(traffic) <= len(traffic.prompts) + cluster.max_in_flight * cluster.partitions
        await cluster.stop_and_check(traffic)


async def test_burst_of_one_key_blocks_no_other_key(kafka: ApacheKafka, model: ScriptedProvider):
    name = "burst"
    async with Cluster(kafka.address, model, name, task="chat") as cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        model.hold()
        burst = await traffic.send([f"Burst {number}." for number in range(1000)], key="busy")
        await eventually(lambda: len(model.requests) >= 1, 30)
        await traffic.send([f"Other {number}." for number in range(63)], key=None)
        for number in range(63):
            await traffic.send([f"Key {number}."], key=f"k{number}")
        await eventually(lambda: len(model.requests) >= 64, 30)
        model.release()
        await traffic.wait_until_answered(list(traffic.prompts), 60)
        in_order = [traffic.prompts[dict(each.headers)["correlation_id"].decode()] for each in traffic.replies]
        assert [each for each in in_order if each.startswith("Burst")] == [traffic.prompts[each] for each in burst]
        await cluster.stop_and_check(traffic)

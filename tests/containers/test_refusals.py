"""Records that a topic refuses, and a topic that is gone, affect only their own requests."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.conftest import eventually
from tests.containers import audit
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.containers.framed_proxy import FramedProxy
from tests.provider import ScriptedProvider

pytestmark = pytest.mark.containers
MODES = pytest.mark.parametrize("mode", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.long)])
ONE_MODE = pytest.mark.parametrize("mode", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.long)])
"""For the behaviour of the producer, which both modes share."""


@asynccontextmanager
async def administration(kafka: ApacheKafka) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def configure(kafka: ApacheKafka, topic: str, **settings: str) -> None:
    async with administration(kafka) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=settings)])


async def wait_for_calls(model: ScriptedProvider, count: int) -> None:
    await eventually(lambda: len(model.requests) >= count, 30)


@ONE_MODE
async def test_replies_too_many_for_one_batch_are_all_delivered(kafka: ApacheKafka, model: ScriptedProvider, mode: str):
    """The topic accepts 20,000 bytes at once. 60 replies of 3,000 bytes finish together, and one more reply is larger
    than the topic accepts. No text can be compressed.
    """
    name = f"small-{mode.replace('_', '-')}"
    async with Cluster(kafka.address, model, name, mode=mode) as cluster, cluster.traffic() as traffic:
        await configure(kafka, cluster.topics[1], **{"max.message.bytes": "20000"})
        await cluster.start_and_wait("a")
        model.hold()
        ids = await traffic.send([random.randbytes(1500).hex() for _ in range(60)])
        (large,) = await traffic.send([random.randbytes(15_000).hex()])
        await wait_for_calls(model, 61)
        model.release()
        await traffic.wait_until_answered([*ids, large], 30)
        assert traffic.codes(ids) == {"ok"}
        assert traffic.codes([large]) == {"too_large"}
        await cluster.stop_and_check(traffic)


@ONE_MODE
async def test_only_the_replies_that_a_topic_refuses_are_replaced(
    kafka: ApacheKafka, model: ScriptedProvider, mode: str
):
    """The callers' reply topic is compacted, and one request in ten has no key."""
    name = f"keyless-{mode.replace('_', '-')}"
    inbox = f"{name}.inbox"
    async with administration(kafka) as admin:
        await admin.create_topics([NewTopic(inbox, 1, 1, topic_configs={"cleanup.policy": "compact"})])
    async with Cluster(kafka.address, model, name, mode=mode) as cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        model.hold()
        to_inbox = [("reply_to", inbox.encode())]
        for number in range(60):
            key = f"k{number}" if number % 10 else None
            await traffic.send([f"Number {number}."], key=key, headers=to_inbox)
        await wait_for_calls(model, 60)
        model.release()
        keyless = [str(number) for number in range(0, 60, 10)]
        await traffic.wait_until_answered(keyless, 30)
        assert traffic.codes(keyless) == {"invalid_request"}
        await eventually_lag_free(cluster)
        assert traffic.reply_count == len(keyless)
        replies = await audit.count_by_correlation_id(kafka.address, inbox, cluster.isolation_level)
        assert replies == {str(number): 1 for number in range(60) if number % 10}


async def eventually_lag_free(cluster: Cluster) -> None:
    for _ in range(300):
        if not await cluster.lag():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(await cluster.lag())


@pytest.mark.long
@ONE_MODE
async def test_broker_that_closes_connections_on_large_requests_gets_small_ones(
    kafka: ApacheKafka, model: ScriptedProvider, mode: str
):
    """Azure Event Hubs closes them above 1,046,528 bytes. 64 replies of 40,000 bytes go to eight partitions at once."""
    name = f"frames-{mode.replace('_', '-')}"
    async with (
        FramedProxy(kafka.address, 1_046_528) as proxy,
        Cluster(kafka.address, model, name, mode=mode, partitions=8) as cluster,
        cluster.traffic() as traffic,
    ):
        await cluster.start_and_wait("a", CARTEIRO_BOOTSTRAP_SERVERS=proxy.address)
        model.hold()
        ids = await traffic.send([f"{number} " + "x" * 40_000 for number in range(64)], partition=0)
        await wait_for_calls(model, 64)
        model.release()
        await traffic.wait_until_answered(ids, 30)
        assert traffic.codes(ids) == {"ok"}
        assert proxy.produced
        assert not proxy.closed
        await cluster.stop_and_check(traffic)


@MODES
async def test_deleted_reply_topic_blocks_no_request_and_is_not_recreated(
    kafka: ApacheKafka, model: ScriptedProvider, mode: str
):
    name = f"deleted-{mode.replace('_', '-')}"
    inbox = f"{name}.inbox"
    async with administration(kafka) as admin:
        await admin.create_topics([NewTopic(inbox, 1, 1)])
        async with Cluster(kafka.address, model, name, mode=mode) as cluster, cluster.traffic() as traffic:
            worker = await cluster.start_and_wait("a")
            warm = await traffic.send(["Warm."])
            await traffic.wait_until_answered(warm, 20)
            await traffic.send(["To the inbox."], headers=[("reply_to", inbox.encode())])
            await eventually_lag_free(cluster)
            before = len(model.requests)
            model.hold()
            orphans = await traffic.send(
                [f"Orphan {number}." for number in range(5)], headers=[("reply_to", inbox.encode())]
            )
            others = await traffic.send([f"Number {number}." for number in range(20)])
            await wait_for_calls(model, before + 25)
            await admin.delete_topics([inbox])
            await eventually_gone(admin, inbox)
            model.release()
            await traffic.wait_until_answered(others, 3)
            later = await traffic.send([f"Later {number}." for number in range(20)])
            await traffic.wait_until_answered(later, 3)
            await traffic.wait_until_answered(orphans, 20)
            assert traffic.codes([*others, *later]) == {"ok"}
            assert traffic.codes(orphans) == {"invalid_request"}
            assert "no such topic any more" in json.dumps(traffic.reply(orphans[0])["error"]["fields"])
            assert not worker.find_log_line("a partition's delivery failed; restarting it")
            await cluster.stop()
            assert not await cluster.lag()
            assert inbox not in await admin.list_topics()


async def eventually_gone(admin: AIOKafkaAdminClient, topic: str) -> None:
    while topic in await admin.list_topics():
        await asyncio.sleep(0.05)

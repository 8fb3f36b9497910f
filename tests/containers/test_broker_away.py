"""Kafka away for a while: workers wait, and go on where they were."""

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest

from tests.conftest import eventually, eventually_true
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280)]

WINDOW = 16


@pytest.mark.parametrize(
    ("mode", "seconds"),
    [
        ("exactly_once", 15),
        pytest.param("exactly_once", 60, marks=pytest.mark.long),
        pytest.param("at_least_once", 60, marks=pytest.mark.long),
    ],
)
async def test_a_broker_that_stands_still_under_load(
    kafka: ApacheKafka, model: ScriptedProvider, mode: str, seconds: int
):
    over = asyncio.Event()

    def prompts() -> Iterator[str]:
        for number in count():
            if over.is_set():
                return
            yield f"{number} wait={0.05 * (number % 20 + 1):.2f}"

    cluster = Cluster(kafka.address, model, f"still-{mode}-{seconds}", mode=mode, partitions=4, window=WINDOW)
    async with cluster, cluster.traffic() as traffic:
        await cluster.started("a", "b")
        workers = list(cluster.workers.values())
        sending = asyncio.create_task(traffic.send(prompts(), per_second=40))
        await traffic.reached(50)
        container = kafka.get_wrapped_container()
        await asyncio.to_thread(container.pause)
        try:
            await asyncio.sleep(seconds)  # how long it stands still is what is tried
        finally:
            await asyncio.to_thread(container.unpause)
        await traffic.reached(traffic.count + 100)
        over.set()
        await traffic.answered(await sending)
        assert not any(worker.ended() for worker in workers)
        print(f"{mode}: {len(traffic.doubled)} doubled, {cluster.calls(traffic) - len(traffic.prompts)} calls again")
        if mode == "exactly_once":
            await cluster.finish(traffic)
        else:
            await cluster.stop()
            assert len(traffic.doubled) <= WINDOW * cluster.partitions
            assert not traffic.dead
            assert not await cluster.lag()


async def test_a_broker_that_is_not_there_at_the_start(kafka: ApacheKafka, model: ScriptedProvider):
    cluster = Cluster(kafka.address, model, "late")
    async with cluster:
        container = kafka.get_wrapped_container()
        await asyncio.to_thread(container.stop, timeout=10)
        try:
            cluster.start("a")
            worker = cluster.workers["a"]
            await eventually(lambda: worker.logged("waiting for Kafka"))
            assert worker.get("/readyz")[0] == 503
        finally:
            await asyncio.to_thread(container.start)
        await eventually_true(kafka.answers)
        async with cluster.traffic() as traffic:
            await eventually(worker.ready)
            await traffic.answered(await traffic.send(f"asked {number}" for number in range(20)))
            await cluster.finish(traffic)

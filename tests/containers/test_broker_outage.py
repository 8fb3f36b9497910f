"""A Kafka outage: workers wait, and go on afterwards."""

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest

from tests.conftest import eventually, eventually_true
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280)]

IN_FLIGHT = 16


@pytest.mark.parametrize(
    ("mode", "seconds"),
    [
        pytest.param("exactly_once", 15, marks=pytest.mark.long),
        pytest.param("exactly_once", 60, marks=pytest.mark.long),
        pytest.param("at_least_once", 60, marks=pytest.mark.long),
    ],
)
async def test_broker_that_is_paused_under_load_loses_nothing(
    kafka: ApacheKafka, model: ScriptedProvider, mode: str, seconds: int
):
    over = asyncio.Event()

    def prompts() -> Iterator[str]:
        for number in count():
            if over.is_set():
                return
            yield f"{number} wait={0.05 * (number % 20 + 1):.2f}"

    cluster = Cluster(kafka.address, model, f"still-{mode}-{seconds}", mode=mode, partitions=4, max_in_flight=IN_FLIGHT)
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a", "b")
        workers = list(cluster.workers.values())
        sending = asyncio.create_task(traffic.send(prompts(), per_second=40))
        await traffic.wait_for_replies(50)
        container = kafka.get_wrapped_container()
        await kafka.pause()
        try:
            await asyncio.sleep(seconds)  # The length of the outage is the tested parameter.
        finally:
            await asyncio.to_thread(container.unpause)
        await traffic.wait_for_replies(traffic.reply_count + 100)
        over.set()
        await traffic.wait_until_answered(await sending)
        assert not any(worker.has_exited() for worker in workers)
        print(f"{mode}: {len(traffic.duplicates)} doubled, {cluster.calls(traffic) - len(traffic.prompts)} calls again")
        if mode == "exactly_once":
            await cluster.stop_and_check(traffic)
        else:
            await cluster.stop()
            assert len(traffic.duplicates) <= IN_FLIGHT * cluster.partitions
            assert not traffic.dead_letters
            assert not await cluster.lag()


@pytest.mark.long
async def test_broker_that_is_missing_at_the_start_is_waited_for(kafka: ApacheKafka, model: ScriptedProvider):
    cluster = Cluster(kafka.address, model, "late")
    async with cluster:
        container = kafka.get_wrapped_container()
        await asyncio.to_thread(container.stop, timeout=10)
        try:
            cluster.start("a")
            worker = cluster.workers["a"]
            await eventually(lambda: worker.find_log_line("waiting for Kafka"))
            assert worker.get("/readyz")[0] == 503
        finally:
            await asyncio.to_thread(container.start)
        await eventually_true(kafka.answers)
        async with cluster.traffic() as traffic:
            await eventually(worker.ready)
            await traffic.wait_until_answered(await traffic.send(f"asked {number}" for number in range(20)))
            await cluster.stop_and_check(traffic)

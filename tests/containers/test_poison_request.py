"""A request that kills its worker: Kubernetes restarts the worker each time, until the request is given up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from carteiro.ledger.crash_tracker import MAX_CRASHES
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider
from tests.provider.completions import Json

pytestmark = [pytest.mark.containers, pytest.mark.timeout(240)]


@asynccontextmanager
async def supervised(cluster: Cluster) -> AsyncIterator[list[str]]:
    """Restart each worker that has ended, as Kubernetes does. Yield the names of the ended workers."""
    deaths: list[str] = []

    async def supervise() -> None:
        while True:
            for name, worker in list(cluster.workers.items()):
                if worker.has_exited():
                    deaths.append(name)
                    cluster.start(name)
            await asyncio.sleep(0.05)

    supervising = asyncio.create_task(supervise())
    try:
        yield deaths
    finally:
        supervising.cancel()
        await asyncio.gather(supervising, return_exceptions=True)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.long)])
async def test_poison_request_is_given_up_after_the_allowed_crashes_and_others_are_answered(
    kafka: ApacheKafka, model: ScriptedProvider, mode: str
):
    cluster = Cluster(kafka.address, model, f"deadly-{mode}", mode=mode, max_in_flight=16, static=True)

    async def kill_the_worker(request: web.Request, body: Json) -> web.StreamResponse:
        cluster.kill("a")
        return web.Response()

    model.when("deadly", kill_the_worker)
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        async with supervised(cluster) as deaths:
            others = await traffic.send(f"before {number} wait=0.5" for number in range(30))
            (deadly,) = await traffic.send(["deadly"])
            others += await traffic.send(f"behind {number} wait=0.5" for number in range(30))
            await traffic.wait_until_answered(traffic.prompts, 180)
        assert all(map(traffic.is_ok, others))
        assert mode == "at_least_once" or not traffic.duplicates
        assert traffic.codes([deadly]) == {"internal"}
        assert [dict(record.headers)["correlation_id"] for record in traffic.dead_letters] == [deadly.encode()]
        assert model.calls["deadly"] == len(deaths) == MAX_CRASHES
        await cluster.stop()
        assert not await cluster.lag()

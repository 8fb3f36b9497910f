"""A request that kills its worker outright: Kubernetes starts it again and again, and in the end the request goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider
from tests.provider.completions import Json

pytestmark = [pytest.mark.containers, pytest.mark.timeout(240)]

DEATHS = 5


@asynccontextmanager
async def supervised(cluster: Cluster) -> AsyncIterator[list[str]]:
    """Starts each worker that has ended again, as Kubernetes does; the names of those that had."""
    deaths: list[str] = []

    async def supervise() -> None:
        while True:
            for name, worker in list(cluster.workers.items()):
                if worker.ended():
                    deaths.append(name)
                    cluster.start(name)
            await asyncio.sleep(0.05)

    supervising = asyncio.create_task(supervise())
    try:
        yield deaths
    finally:
        supervising.cancel()
        await asyncio.gather(supervising, return_exceptions=True)


@pytest.mark.parametrize("mode", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.long)])
async def test_it_is_given_up_after_five_deaths_and_the_others_are_answered(
    kafka: ApacheKafka, model: ScriptedProvider, mode: str
):
    cluster = Cluster(kafka.address, model, f"deadly-{mode}", mode=mode, window=16, static=True)

    async def kill_the_worker(request: web.Request, asked: Json) -> web.StreamResponse:
        cluster.kill("a")
        return web.Response()

    model.when("deadly", kill_the_worker)
    async with cluster, cluster.traffic() as traffic:
        await cluster.started("a")
        async with supervised(cluster) as deaths:
            others = await traffic.send(f"before {number} wait=0.5" for number in range(30))
            (deadly,) = await traffic.send(["deadly"])
            others += await traffic.send(f"behind {number} wait=0.5" for number in range(30))
            await traffic.answered(traffic.prompts, 180)
        assert all(map(traffic.is_ok, others))
        assert mode == "at_least_once" or not traffic.doubled
        assert traffic.codes([deadly]) == {"internal"}
        assert [dict(record.headers)["correlation_id"] for record in traffic.dead] == [deadly.encode()]
        assert model.calls["deadly"] == len(deaths) == DEATHS
        await cluster.stop()
        assert not await cluster.lag()

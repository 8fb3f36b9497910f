"""`kill -9` costs little: no finished request is answered or paid again, and a static member is back at once."""

import time
from datetime import datetime

import pytest

from tests.conftest import eventually
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(200)]

MAX_IN_FLIGHT = 64
SESSION_SECONDS = 45


@pytest.mark.parametrize("mode", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.long)])
async def test_finished_requests_behind_a_hung_request_are_not_repeated(
    kafka: ApacheKafka, model: ScriptedProvider, mode: str
):
    model.when("hung", "hang")
    cluster = Cluster(kafka.address, model, f"crash-{mode}", mode=mode, max_in_flight=MAX_IN_FLIGHT, static=True)
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        (hung,) = await traffic.send(["hung"])
        behind = await traffic.send(f"behind {number}" for number in range(3000))
        await traffic.wait_until_answered(behind)
        cluster.kill("a")
        model.clear("hung")
        await cluster.start_and_wait("a")
        after = await traffic.send(f"after {number}" for number in range(100))
        await traffic.wait_until_answered([hung, *after])
        again = cluster.calls(traffic) - len(traffic.prompts)
        print(f"{mode}: {again} model calls made again")
        assert model.calls["hung"] == 2
        if mode == "exactly_once":
            assert again == 1
            await cluster.stop_and_check(traffic)
        else:
            # A reply that was sent but not committed yet is sent again.
            assert again <= MAX_IN_FLIGHT
            assert len(traffic.duplicates) < MAX_IN_FLIGHT
            await cluster.stop()
            assert not await cluster.lag()


@pytest.mark.long
async def test_static_member_is_back_within_the_session_timeout(kafka: ApacheKafka, model: ScriptedProvider):
    timeout = {"CARTEIRO_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS)}
    cluster = Cluster(kafka.address, model, "static", partitions=2, static=True, **timeout)
    async with cluster, cluster.traffic() as traffic:
        other = await cluster.start_and_wait("a", "b")
        await cluster.wait_until_assigned()
        rebalances = len(other.rebalance_lines)
        await traffic.wait_until_answered(await traffic.send(["before"], partition=cluster.workers["a"].partitions[0]))

        (partition,) = cluster.kill("a")
        killed = time.time()
        (request_id,) = await traffic.send(["after"], partition=partition)
        cluster.start("a")
        await traffic.wait_until_answered([request_id])
        replied = traffic.record(request_id).timestamp / 1000
        assert replied < killed + SESSION_SECONDS
        worker = cluster.workers["a"]
        await eventually(worker.ready)
        joined = datetime.fromisoformat(worker.rebalance_lines[0]["timestamp"]).timestamp()
        print(f"replied {replied - killed:.2f} s after the kill, {replied - joined:.2f} s after joining")
        assert len(other.rebalance_lines) == rebalances, "the other worker had to give its partition back"
        await cluster.stop_and_check(traffic)

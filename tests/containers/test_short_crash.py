"""`kill -9` costs little: what was answered is neither answered nor paid again, and a static member is back at once."""

import time
from datetime import datetime

import pytest

from tests.conftest import eventually
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(200)]

WINDOW = 64
SESSION_SECONDS = 45


@pytest.mark.parametrize("mode", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.long)])
async def test_what_is_finished_behind_a_hung_request_is_not_done_again(
    kafka: ApacheKafka, model: ScriptedProvider, mode: str
):
    model.when("hung", "hang")
    cluster = Cluster(kafka.address, model, f"crash-{mode}", mode=mode, window=WINDOW, static=True)
    async with cluster, cluster.traffic() as traffic:
        await cluster.started("a")
        (hung,) = await traffic.send(["hung"])
        behind = await traffic.send(f"behind {number}" for number in range(3000))
        await traffic.answered(behind)
        cluster.kill("a")
        model.cure("hung")
        await cluster.started("a")
        after = await traffic.send(f"after {number}" for number in range(100))
        await traffic.answered([hung, *after])
        again = cluster.calls(traffic) - len(traffic.prompts)
        print(f"{mode}: {again} model calls made again")
        assert model.calls["hung"] == 2
        if mode == "exactly_once":
            assert again == 1
            await cluster.finish(traffic)
        else:
            # What was sent, but not committed yet, is sent again.
            assert again <= WINDOW
            assert len(traffic.doubled) < WINDOW
            await cluster.stop()
            assert not await cluster.lag()


async def test_a_static_member_is_back_before_the_group_could_miss_it(kafka: ApacheKafka, model: ScriptedProvider):
    timeout = {"CARTEIRO_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS)}
    cluster = Cluster(kafka.address, model, "static", partitions=2, static=True, **timeout)
    async with cluster, cluster.traffic() as traffic:
        other = await cluster.started("a", "b")
        await cluster.settled()
        rebalances = len(other.group_lines)
        await traffic.answered(await traffic.send(["before"], partition=cluster.workers["a"].partitions[0]))

        (partition,) = cluster.kill("a")
        killed = time.time()
        (asked,) = await traffic.send(["after"], partition=partition)
        cluster.start("a")
        await traffic.answered([asked])
        replied = traffic.record(asked).timestamp / 1000
        assert replied < killed + SESSION_SECONDS
        worker = cluster.workers["a"]
        await eventually(worker.ready)
        joined = datetime.fromisoformat(worker.group_lines[0]["timestamp"]).timestamp()
        print(f"replied {replied - killed:.2f} s after the kill, {replied - joined:.2f} s after joining")
        assert len(other.group_lines) == rebalances, "the other worker had to give its partition back"
        await cluster.finish(traffic)

"""Two workers with one instance id: one of them serves, the other reports it and waits. No request is handled twice."""

import time

import pytest

from tests.conftest import eventually
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(150)]

DIED = "the partition's last owner died; its requests in flight are served again"
STANDING_BY = "standing by: another worker has this one's place in the group"


@pytest.mark.long
@pytest.mark.parametrize("mode", ["exactly_once", "at_least_once"])
@pytest.mark.parametrize("together", [False, True], ids=["one-after-the-other", "at-once"])
async def test_second_worker_with_the_same_instance_id_stands_by(
    kafka: ApacheKafka, model: ScriptedProvider, mode: str, *, together: bool
):
    name = f"twice-{time.time_ns()}"
    same = {"CARTEIRO_GROUP_INSTANCE_ID": name}
    cluster = Cluster(kafka.address, model, name, mode=mode, partitions=2, **same)
    async with cluster, cluster.traffic() as traffic:
        running: list[str] = []
        if together:
            cluster.start("a", "b")
        else:
            await cluster.start_and_wait("a")
            running = await traffic.send(f"running {number} wait=8" for number in range(6))
            await eventually(lambda: model.calls["running 5 wait=8"])
            cluster.start("b")
        a, b = cluster.workers["a"], cluster.workers["b"]

        def one_stands_by() -> bool:
            return any(each.find_log_line(STANDING_BY) for each in (a, b))

        await eventually(one_stands_by, 60)
        waits, serves = (a, b) if a.find_log_line(STANDING_BY) else (b, a)
        await eventually(serves.ready)
        status, reason = waits.get("/readyz")
        assert status == 503
        assert "CARTEIRO_GROUP_INSTANCE_ID" in reason
        later = await traffic.send(f"prompt {number} wait=0.5" for number in range(12))
        before = len(serves.rebalance_lines)
        await traffic.wait_until_answered(running + later, 60)
        if mode == "exactly_once":
            assert cluster.calls(traffic) == len(traffic.prompts)
        assert len(serves.rebalance_lines) - before <= 1
        assert len([line for line in waits.log if line["event"] == STANDING_BY]) == 1

        if mode == "exactly_once":
            assert not serves.find_log_line(DIED)
        serves.kill()
        await traffic.wait_until_answered(await traffic.send(["after"]), 60)

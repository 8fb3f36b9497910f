"""Requests that take longer than the group's poll interval: the worker is not taken for stuck."""

import pytest

from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(200)]

IN_FLIGHT = 4


@pytest.mark.long
async def test_full_concurrency_of_long_requests_causes_no_rebalance(kafka: ApacheKafka, model: ScriptedProvider):
    poll = {"CARTEIRO_MAX_POLL_SECONDS": "10"}
    cluster = Cluster(kafka.address, model, "long", partitions=2, max_in_flight=IN_FLIGHT, **poll)
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a", "b")
        await cluster.wait_until_assigned()
        before = {name: worker.rebalance_lines for name, worker in cluster.workers.items()}
        for partition in (0, 1):
            await traffic.send(
                (f"long {partition}/{number} wait=30" for number in range(IN_FLIGHT)), partition=partition
            )
            await traffic.send((f"behind {partition}/{number}" for number in range(20)), partition=partition)
        await traffic.wait_until_answered(traffic.prompts)
        assert {name: worker.rebalance_lines for name, worker in cluster.workers.items()} == before
        assert cluster.calls(traffic) == len(traffic.prompts)
        await cluster.stop_and_check(traffic)

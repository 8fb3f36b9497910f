"""Requests that take far longer than the group waits between two polls: the worker is not taken for stuck."""

import pytest

from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(200)]

WINDOW = 4


@pytest.mark.long
async def test_a_full_window_of_long_requests_costs_no_rebalance(kafka: ApacheKafka, model: ScriptedProvider):
    poll = {"CARTEIRO_MAX_POLL_SECONDS": "10"}
    cluster = Cluster(kafka.address, model, "long", partitions=2, window=WINDOW, **poll)
    async with cluster, cluster.traffic() as traffic:
        await cluster.started("a", "b")
        await cluster.settled()
        before = {name: worker.group_lines for name, worker in cluster.workers.items()}
        for partition in (0, 1):
            await traffic.send((f"long {partition}/{number} wait=30" for number in range(WINDOW)), partition=partition)
            await traffic.send((f"behind {partition}/{number}" for number in range(20)), partition=partition)
        await traffic.answered(traffic.prompts)
        assert {name: worker.group_lines for name, worker in cluster.workers.items()} == before
        assert cluster.calls(traffic) == len(traffic.prompts)
        await cluster.finish(traffic)

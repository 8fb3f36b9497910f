"""A worker that is paused until others have its partitions, and then continues as if nothing had happened."""

import pytest

from tests.conftest import eventually
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(240)]

MAX_IN_FLIGHT = 16


async def test_replies_of_a_zombie_are_never_seen_and_it_works_again(kafka: ApacheKafka, model: ScriptedProvider):
    cluster = Cluster(kafka.address, model, "zombie", partitions=2, max_in_flight=MAX_IN_FLIGHT)
    async with cluster, cluster.traffic() as traffic:
        zombie = await cluster.start_and_wait("zombie")
        await cluster.wait_until_assigned()
        model.hold()
        ids = []
        for partition in (0, 1):
            prompts = (f"before {partition}/{number}" for number in range(MAX_IN_FLIGHT + 4))
            ids += await traffic.send(prompts, partition=partition)
        await eventually(lambda: model.calls.total() == 2 * MAX_IN_FLIGHT)
        zombie.pause()
        other = await cluster.start_and_wait("other")
        await eventually(lambda: other.partitions == [0, 1])
        await eventually(lambda: model.calls.total() == 4 * MAX_IN_FLIGHT)
        # The answers to the zombie's calls are in its socket buffers from here on.
        model.release()
        await traffic.wait_until_answered(ids)

        zombie.resume()
        await eventually(lambda: sorted(zombie.partitions + other.partitions) == [0, 1])
        both = [each for partition in (0, 1) for each in await traffic.send(["both"], partition=partition)]
        await traffic.wait_until_answered(both)
        await cluster.stop("other")
        last = [each for partition in (0, 1) for each in await traffic.send(["alone"], partition=partition)]
        await traffic.wait_until_answered(last)
        assert not zombie.has_exited()
        await cluster.stop_and_check(traffic)
        assert traffic.codes(traffic.prompts) == {"ok"}
        assert all(model.calls[prompt] <= 2 for prompt in traffic.prompts.values())

"""A worker that stands still until others have its partitions, and then goes on as if nothing had happened."""

import pytest

from tests.conftest import eventually
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(240)]

WINDOW = 16


async def test_a_zombie_s_replies_are_never_seen_and_it_works_again(kafka: ApacheKafka, model: ScriptedProvider):
    cluster = Cluster(kafka.address, model, "zombie", partitions=2, window=WINDOW)
    async with cluster, cluster.traffic() as traffic:
        zombie = await cluster.started("zombie")
        await cluster.settled()
        model.hold()
        ids = []
        for partition in (0, 1):
            prompts = (f"before {partition}/{number}" for number in range(WINDOW + 4))
            ids += await traffic.send(prompts, partition=partition)
        await eventually(lambda: model.calls.total() == 2 * WINDOW)
        zombie.pause()
        other = await cluster.started("other")
        await eventually(lambda: other.partitions == [0, 1])
        await eventually(lambda: model.calls.total() == 4 * WINDOW)
        # The answers to the zombie's calls wait in its sockets from now on.
        model.release()
        await traffic.answered(ids)

        zombie.resume()
        await eventually(lambda: sorted(zombie.partitions + other.partitions) == [0, 1])
        both = [each for partition in (0, 1) for each in await traffic.send(["both"], partition=partition)]
        await traffic.answered(both)
        await cluster.stop("other")
        alone = [each for partition in (0, 1) for each in await traffic.send(["alone"], partition=partition)]
        await traffic.answered(alone)
        assert not zombie.ended()
        await cluster.finish(traffic)
        assert traffic.codes(traffic.prompts) == {"ok"}
        assert all(model.calls[prompt] <= 2 for prompt in traffic.prompts.values())

"""A rolling update under load: each worker is stopped and started in turn, and no caller notices."""

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest

from tests.conftest import eventually
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(240)]

WORKERS = ("a", "b", "c")


@pytest.mark.long
@pytest.mark.parametrize("mode", ["exactly_once", "at_least_once"])
async def test_no_reply_is_lost_or_duplicated_and_no_call_is_repeated(
    kafka: ApacheKafka, model: ScriptedProvider, mode: str
):
    rolled = asyncio.Event()

    def prompts() -> Iterator[str]:
        for number in count():
            if rolled.is_set():
                return
            yield f"{mode} {number} wait={0.05 * (number % 20 + 1):.2f}"

    cluster = Cluster(kafka.address, model, f"rolling-{mode}", mode=mode, partitions=6, max_in_flight=16)
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait(*WORKERS)
        sending = asyncio.create_task(traffic.send(prompts(), per_second=40))
        for name in WORKERS:
            answered = traffic.reply_count
            await eventually(lambda answered=answered: traffic.reply_count > answered + 40)
            await cluster.stop(name)
            await cluster.start_and_wait(name)
        rolled.set()
        await traffic.wait_until_answered(await sending)
        await cluster.stop_and_check(traffic)
        assert cluster.calls(traffic) == len(traffic.prompts)

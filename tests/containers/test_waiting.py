"""Requests that can wait, while the service that has them is killed, halted, and its broker restarted."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.broker.processes import WorkerProcess
from tests.conftest import eventually, eventually_true
from tests.containers import audit
from tests.containers.cluster import SESSION_SECONDS, Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280)]

REQUESTS, PARTITIONS = 300, 3


def settings(model: ScriptedProvider, mode: str) -> dict[str, str]:
    return {
        "CARTEIRO_GENERATE_MODEL": "openai:gpt-4.1-mini",
        "OPENAI_API_KEY": "sk-secret",
        "OPENAI_BASE_URL": model.url,
        "CARTEIRO_DELIVERY": mode,
        "CARTEIRO_BATCHES": "true",
        "CARTEIRO_BATCH_GATHER_SECONDS": "1",
        "CARTEIRO_BATCH_POLL_SECONDS": "0.5",
        "CARTEIRO_BATCH_MARGIN_SECONDS": "30",
        "CARTEIRO_BATCH_REQUESTS": "40",
        "CARTEIRO_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
    }


@contextmanager
def waiting(cluster: Cluster, **said: str) -> Iterator[WorkerProcess]:
    """A worker of the cluster's requests that can wait."""
    place = {
        "CARTEIRO_BOOTSTRAP_SERVERS": cluster.address,
        "CARTEIRO_TOPIC_PREFIX": cluster.group,
        "CARTEIRO_GROUP": cluster.group,
    }
    with WorkerProcess("waiting", **place | said) as worker:
        try:
            yield worker
        finally:
            print("-- what a worker of waiting requests complained of --", *worker.complaints[-20:], sep="\n")


def check_bill(model: ScriptedProvider, prompts: Counter[str]) -> None:
    """Each prompt was paid once, each batch submitted once, and nothing was called live."""
    assert model.batches.paid == prompts
    assert set(Counter(made.name for made in model.batches.made).values()) == {1}
    assert not model.requests


async def killed_again_and_again(kafka: ApacheKafka, model: ScriptedProvider, mode: str, kills: int) -> None:
    model.batches.looks = 4
    model.batches.order = "shuffled"
    chance = random.Random(seed := random.randrange(1_000_000))
    print("seed", seed)
    said = settings(model, mode)
    cluster = Cluster(kafka.address, model, f"patient-{seed}", mode=mode, partitions=PARTITIONS, **said)
    async with cluster, cluster.traffic() as traffic:
        await cluster.started("live")
        asked = await traffic.send((f"prompt {number}" for number in range(REQUESTS)), options={"wait": "1h"})
        for number in range(kills):
            with waiting(cluster, **said) as worker:
                # From before it has its partitions until it has finished some.
                await asyncio.sleep(chance.uniform(3, 12))
                worker.kill()
            if number == kills // 2:
                kafka.get_wrapped_container().restart(timeout=1)
                await eventually_true(kafka.answers)
        with waiting(cluster, **said):
            await traffic.answered(asked, 200)
            assert traffic.codes(asked) == {"ok"}
            check_bill(model, Counter(traffic.prompts.values()))
            await eventually(lambda: not model.batches.files)
        await cluster.finish(traffic)
        left = await audit.lag(cluster.address, f"{cluster.group}.generate.waiting", f"{cluster.group}-waiting")
        # The marker of the transaction that set the last one aside is no request.
        assert set(left.values()) <= {1}
        tiers = Counter(traffic.reply(each)["usage"]["service_tier"] for each in asked)
        assert tiers == {"batch": REQUESTS}


async def test_no_kill_loses_a_request_or_pays_a_batch_twice(kafka: ApacheKafka, model: ScriptedProvider):
    await killed_again_and_again(kafka, model, "exactly_once", kills=3)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["exactly_once", "at_least_once"])
async def test_nor_do_many_kills(kafka: ApacheKafka, model: ScriptedProvider, mode: str):
    await killed_again_and_again(kafka, model, mode, kills=10)


@pytest.mark.long
async def test_a_broker_that_is_away_while_a_batch_is_written_down(kafka: ApacheKafka, model: ScriptedProvider):
    said = settings(model, "exactly_once") | {"CARTEIRO_BATCH_GATHER_SECONDS": "4"}
    cluster = Cluster(kafka.address, model, f"away-{time.time_ns()}", partitions=PARTITIONS, **said)
    async with cluster, cluster.traffic() as traffic:
        await cluster.started("live")
        with waiting(cluster, **said) as worker:
            await eventually(lambda: len(worker.partitions) == PARTITIONS)
            asked = await traffic.send((f"prompt {number}" for number in range(20)), options={"wait": "1h"})
            await eventually(lambda: model.batches.files)
            # What is to be known of the files, and of what is submitted, cannot be kept.
            container = kafka.get_wrapped_container()
            container.pause()
            await asyncio.sleep(25)  # longer than a transaction may take
            container.unpause()
            await traffic.answered(asked, 150)
            check_bill(model, Counter(traffic.prompts.values()))
        await cluster.finish(traffic)


@pytest.mark.long
async def test_live_requests_do_not_wait_for_a_topic_that_is_missing(docker: None, model: ScriptedProvider):
    with ApacheKafka().with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false") as kafka:
        await eventually_true(kafka.answers)
        cluster = Cluster(kafka.address, model, "missing", **settings(model, "exactly_once"))
        async with cluster, cluster.traffic() as traffic:
            await cluster.started("live")
            (aside,) = await traffic.send(["patient"], options={"wait": "1h"})
            await traffic.answered(await traffic.send(f"live {number}" for number in range(5)), 60)
            # It is no longer tried after two minutes.
            await traffic.answered([aside], 180)
            assert traffic.codes([aside]) == {"unsupported"}


@pytest.mark.long
async def test_a_worker_that_was_halted_submits_nothing_more(kafka: ApacheKafka, model: ScriptedProvider):
    said = settings(model, "exactly_once") | {"CARTEIRO_BATCH_GATHER_SECONDS": "4"}
    cluster = Cluster(kafka.address, model, f"halted-{time.time_ns()}", partitions=PARTITIONS, **said)
    async with cluster, cluster.traffic() as traffic:
        await cluster.started("live")
        with waiting(cluster, **said) as halted:
            await eventually(lambda: len(halted.partitions) == PARTITIONS)
            asked = await traffic.send((f"prompt {number}" for number in range(30)), options={"wait": "1h"})
            await eventually(lambda: 'carteiro_waiting{task="generate"} 30.0' in halted.get("/metrics")[1])
            halted.pause()
            with waiting(cluster, **said):
                await traffic.answered(asked, 150)
                halted.resume()
                late = await traffic.send((f"late {number}" for number in range(30)), options={"wait": "1h"})
                await traffic.answered(late, 150)
                check_bill(model, Counter(traffic.prompts.values()))
        await cluster.finish(traffic)

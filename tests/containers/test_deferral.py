"""Deferred requests, while the batch service is killed and paused, and its broker is restarted."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually, eventually_true
from tests.containers import audit, operators
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
        "CARTEIRO_BATCH_LINGER_SECONDS": "1",
        "CARTEIRO_BATCH_POLL_SECONDS": "0.5",
        "CARTEIRO_BATCH_MARGIN_SECONDS": "30",
        "CARTEIRO_BATCH_REQUESTS": "40",
        "CARTEIRO_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
    }


@contextmanager
def batch_worker(cluster: Cluster, **options: str) -> Iterator[WorkerProcess]:
    """Start a worker of the cluster's deferred requests."""
    cluster_settings = {
        "CARTEIRO_BOOTSTRAP_SERVERS": cluster.address,
        "CARTEIRO_TOPIC_PREFIX": cluster.group,
        "CARTEIRO_GROUP": cluster.group,
    }
    with WorkerProcess("batch", **cluster_settings | options) as worker:
        try:
            yield worker
        finally:
            print("-- warnings of the batch worker --", *worker.warning_lines[-20:], sep="\n")


def check_payments(model: ScriptedProvider, prompts: Counter[str]) -> None:
    """Check that each prompt was paid once, each batch was submitted once, and there was no live call."""
    assert model.batches.paid == prompts
    assert set(Counter(made.name for made in model.batches.created).values()) == {1}
    assert not model.requests


async def run_with_kills(kafka: ApacheKafka, model: ScriptedProvider, mode: str, kills: int) -> None:
    model.batches.looks = 4
    model.batches.order = "shuffled"
    chance = random.Random(seed := random.randrange(1_000_000))
    print("seed", seed)
    options = settings(model, mode)
    cluster = Cluster(kafka.address, model, f"patient-{seed}", mode=mode, partitions=PARTITIONS, **options)
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("live")
        ids = await traffic.send((f"prompt {number}" for number in range(REQUESTS)), options={"wait": "1h"})
        for number in range(kills):
            with batch_worker(cluster, **options) as worker:
                # From before the assignment of its partitions until it has finished some requests.
                await asyncio.sleep(chance.uniform(0.5, 6))
                worker.kill()
            if number == kills // 2:
                kafka.get_wrapped_container().restart(timeout=1)
                await eventually_true(kafka.answers)
        with batch_worker(cluster, **options):
            await traffic.wait_until_answered(ids, 200)
            assert traffic.codes(ids) == {"ok"}
            check_payments(model, Counter(traffic.prompts.values()))
            await eventually(lambda: not model.batches.files)
        await cluster.stop_and_check(traffic)
        left = await audit.lag(cluster.address, f"{cluster.group}.generate.deferred", f"{cluster.group}-batch")
        # The marker of the transaction that deferred the last request is not a request.
        assert set(left.values()) <= {1}
        tiers = Counter(traffic.reply(each)["usage"]["service_tier"] for each in ids)
        assert tiers == {"batch": REQUESTS}


async def test_kills_lose_no_request_and_pay_no_batch_twice(kafka: ApacheKafka, model: ScriptedProvider):
    await run_with_kills(kafka, model, "exactly_once", kills=3)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["exactly_once", "at_least_once"])
async def test_many_kills_lose_nothing_and_pay_nothing_twice(kafka: ApacheKafka, model: ScriptedProvider, mode: str):
    await run_with_kills(kafka, model, mode, kills=10)


@pytest.mark.long
async def test_broker_outage_while_a_batch_is_stored_pays_nothing_twice(kafka: ApacheKafka, model: ScriptedProvider):
    options = settings(model, "exactly_once") | {"CARTEIRO_BATCH_LINGER_SECONDS": "4"}
    cluster = Cluster(kafka.address, model, f"away-{time.time_ns()}", partitions=PARTITIONS, **options)
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("live")
        with batch_worker(cluster, **options) as worker:
            await eventually(lambda: len(worker.partitions) == PARTITIONS)
            ids = await traffic.send((f"prompt {number}" for number in range(20)), options={"wait": "1h"})
            await eventually(lambda: model.batches.files)
            # The state of the files and of the submission cannot be stored.
            container = kafka.get_wrapped_container()
            await kafka.pause()
            await asyncio.sleep(25)  # Longer than a transaction may take.
            container.unpause()
            await traffic.wait_until_answered(ids, 150)
            check_payments(model, Counter(traffic.prompts.values()))
        await cluster.stop_and_check(traffic)


@pytest.mark.long
async def test_missing_topic_of_deferred_requests_is_one_clear_error(docker: None, model: ScriptedProvider):
    with ApacheKafka().with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false") as kafka:
        await eventually_true(kafka.answers)
        cluster = Cluster(kafka.address, model, "missing", **settings(model, "exactly_once"))
        async with cluster, cluster.traffic() as traffic:
            worker = await cluster.start_and_wait("live")
            ids = await traffic.send([f"patient {number}" for number in range(5)], options={"wait": "1h"})
            await traffic.wait_until_answered(await traffic.send(f"live {number}" for number in range(5)), 30)
            await traffic.wait_until_answered(ids, 30)
            assert traffic.codes(ids) == {"unsupported"}
            assert "missing.generate.deferred" in traffic.reply(ids[0])["error"]["message"]
            status, reason = worker.get("/readyz")
            assert status == 503
            assert "there is no topic missing.generate.deferred: create it with" in reason
            errors = [line["event"] for line in worker.warning_lines if line["logger"].startswith("carteiro")]
            assert errors == ["a topic is missing"]

            await operators.create_topic(kafka, "missing.generate.deferred")
            await eventually(lambda: worker.get("/readyz")[0] == 200, 60)
            await traffic.send(["patient"], options={"wait": "1h"})
            await eventually(lambda: worker.find_log_line("request deferred"), 30)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.long)])
async def test_reset_of_the_batch_services_group_is_obeyed(kafka: ApacheKafka, model: ScriptedProvider, mode: str):
    options = settings(model, mode)
    cluster = Cluster(kafka.address, model, f"again-{time.time_ns()}", mode=mode, **options)
    topic, group = f"{cluster.group}.generate.deferred", f"{cluster.group}-batch"
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("live")
        ids = await traffic.send((f"prompt {number}" for number in range(4)), options={"wait": "1h"})
        for replies in (1, 2):
            with batch_worker(cluster, **options) as worker:
                if replies == 2:
                    # A finished request without a live counterpart is not repeated: the operator decides.
                    await eventually(lambda: len(traffic.duplicates) == len(ids), 60)
                await traffic.wait_until_answered(ids, 60)
                await eventually(
                    lambda worker=worker: (
                        'carteiro_batch_pending_requests{task="generate"} 0.0' in worker.get("/metrics")[1]
                    )
                )
                worker.terminate()
                await eventually(worker.has_exited)
            if replies == 1:
                assert not traffic.duplicates
                await operators.reset_offsets(kafka, group, topic, "--to-earliest")
        assert not model.requests


@pytest.mark.long
async def test_paused_worker_submits_nothing_after_it_lost_its_partitions(kafka: ApacheKafka, model: ScriptedProvider):
    options = settings(model, "exactly_once") | {"CARTEIRO_BATCH_LINGER_SECONDS": "4"}
    cluster = Cluster(kafka.address, model, f"halted-{time.time_ns()}", partitions=PARTITIONS, **options)
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("live")
        with batch_worker(cluster, **options) as halted:
            await eventually(lambda: len(halted.partitions) == PARTITIONS)
            ids = await traffic.send((f"prompt {number}" for number in range(30)), options={"wait": "1h"})
            await eventually(
                lambda: 'carteiro_batch_pending_requests{task="generate"} 30.0' in halted.get("/metrics")[1]
            )
            halted.pause()
            with batch_worker(cluster, **options):
                await traffic.wait_until_answered(ids, 150)
                halted.resume()
                late = await traffic.send((f"late {number}" for number in range(30)), options={"wait": "1h"})
                await traffic.wait_until_answered(late, 150)
                check_payments(model, Counter(traffic.prompts.values()))
        await cluster.stop_and_check(traffic)

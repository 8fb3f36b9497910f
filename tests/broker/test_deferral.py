"""Deferrable requests: their service defers them, and the batch service answers them through a provider's batch."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from carteiro.client import Carteiro
from carteiro.schemas import Options
from carteiro.schemas.generate import GenerateRequest
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually
from tests.provider import Provider

pytestmark = pytest.mark.timeout(240)

WAIT = Options(wait="1h")


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """Return a provider without the batches of other tests."""
    async with Provider() as running:
        yield running


@pytest.fixture
def settings(broker, provider) -> dict[str, str]:
    return {
        "CARTEIRO_BOOTSTRAP_SERVERS": broker.address,
        "CARTEIRO_TOPIC_PREFIX": "patient",
        "CARTEIRO_GENERATE_MODEL": "openai:gpt-4.1-mini",
        "OPENAI_API_KEY": "sk-secret",
        "OPENAI_BASE_URL": provider.url,
        "CARTEIRO_BATCHES": "true",
        "CARTEIRO_BATCH_LINGER_SECONDS": "0.5",
        "CARTEIRO_BATCH_POLL_SECONDS": "0.2",
        "CARTEIRO_BATCH_MARGIN_SECONDS": "10",
    }


@pytest.fixture
def workers(settings) -> Iterator[tuple[WorkerProcess, WorkerProcess]]:
    with WorkerProcess("generate", **settings) as live, WorkerProcess("batch", **settings) as batch:
        yield live, batch


async def test_deferred_request_is_answered_by_a_batch(broker, provider, workers):
    live, batch = workers
    await eventually(live.ready)
    await eventually(batch.ready)
    async with Carteiro(broker.address, topic_prefix="patient", timeout=90) as carteiro:
        now = await carteiro.generate("At once.")
        reply = await carteiro.ask(GenerateRequest(prompt="Whenever you like.", options=WAIT), timeout=90)
    assert now.usage.service_tier is None
    assert reply.result.text == "Whenever you like."
    assert reply.usage.service_tier == "batch"
    assert reply.request_id.startswith("patient.generate.requests/")
    assert reply.usage.cost_usd == pytest.approx(
        (reply.usage.input_tokens * 0.4 + reply.usage.output_tokens * 1.6) / 1e6 / 2
    )
    assert provider.batches.paid["Whenever you like."] == 1
    assert "Whenever you like." not in provider.calls
    await eventually(lambda: not provider.batches.files)
    assert 'carteiro_requests_deferred_total{task="generate"} 1.0' in live.get("/metrics")[1]
    metrics = batch.get("/metrics")[1]
    assert 'carteiro_batch_pending_requests{task="generate"} 0.0' in metrics
    saved = next(line for line in metrics.splitlines() if line.startswith("carteiro_saved_usd_total{"))
    assert float(saved.split()[-1]) == pytest.approx(reply.usage.cost_usd)
    assert "sk-secret" not in live.output + batch.output

    for worker in workers:
        worker.terminate()
    for worker in workers:
        await eventually(worker.has_exited)
        assert worker.process.returncode == 0


async def test_batch_service_leaves_the_processor_to_live_workers(workers):
    live, batch = workers
    await eventually(batch.ready)
    niceness = [os.getpriority(os.PRIO_PROCESS, each.process.pid) for each in (live, batch)]
    assert niceness[0] < niceness[1]


async def test_deferrable_request_without_batches_is_answered_at_once(broker, provider, settings):
    without_batches = settings | {"CARTEIRO_TOPIC_PREFIX": "hasty", "CARTEIRO_BATCHES": "false"}
    before = len(provider.batches.created)
    with WorkerProcess("generate", **without_batches) as worker:
        await eventually(worker.ready)
        async with Carteiro(broker.address, topic_prefix="hasty", timeout=90) as carteiro:
            reply = await carteiro.ask(GenerateRequest(prompt="It rains.", options=WAIT), timeout=90)
    assert reply.usage.service_tier is None
    assert len(provider.batches.created) == before


def test_batch_service_without_a_batch_model_says_so(settings):
    with WorkerProcess("batch", **settings | {"CARTEIRO_GENERATE_MODEL": "http://127.0.0.1:9/v1#echo"}) as worker:
        assert worker.process.wait(60) == 3
        assert "no task has a model with batches" in worker.output

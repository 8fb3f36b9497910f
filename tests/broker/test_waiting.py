"""Requests that can wait: set aside by their service, answered through a provider's batch by another."""

from collections.abc import Iterator

import pytest

from carteiro.client import Carteiro
from carteiro.schemas import GenerateRequest, Options
from tests.broker.processes import WorkerProcess
from tests.conftest import eventually

pytestmark = pytest.mark.timeout(240)

WAIT = Options(wait="1h")


@pytest.fixture
def settings(broker, provider) -> dict[str, str]:
    return {
        "CARTEIRO_BOOTSTRAP_SERVERS": broker.address,
        "CARTEIRO_TOPIC_PREFIX": "patient",
        "CARTEIRO_GENERATE_MODEL": "openai:gpt-4.1-mini",
        "OPENAI_API_KEY": "sk-secret",
        "OPENAI_BASE_URL": provider.url,
        "CARTEIRO_BATCHES": "true",
        "CARTEIRO_BATCH_GATHER_SECONDS": "0.5",
        "CARTEIRO_BATCH_POLL_SECONDS": "0.2",
        "CARTEIRO_BATCH_MARGIN_SECONDS": "10",
    }


@pytest.fixture
def workers(settings) -> Iterator[tuple[WorkerProcess, WorkerProcess]]:
    with WorkerProcess("generate", **settings) as live, WorkerProcess("waiting", **settings) as waiting:
        yield live, waiting


async def test_a_request_that_can_wait_is_answered_by_a_batch(broker, provider, workers):
    live, waiting = workers
    await eventually(live.ready)
    await eventually(waiting.ready)
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
    assert provider.batches.paid == {"Whenever you like.": 1}
    assert "Whenever you like." not in provider.calls
    await eventually(lambda: not provider.batches.files)
    assert 'carteiro_set_aside_total{task="generate"} 1.0' in live.get("/metrics")[1]
    metrics = waiting.get("/metrics")[1]
    assert 'carteiro_waiting{task="generate"} 0.0' in metrics
    saved = next(line for line in metrics.splitlines() if line.startswith("carteiro_saved_usd_total{"))
    assert float(saved.split()[-1]) == pytest.approx(reply.usage.cost_usd)
    assert "sk-secret" not in live.output + waiting.output

    for worker in workers:
        worker.terminate()
    for worker in workers:
        await eventually(worker.ended)
        assert worker.process.returncode == 0


async def test_without_batches_it_is_answered_at_once(broker, provider, settings):
    alone = settings | {"CARTEIRO_TOPIC_PREFIX": "hasty", "CARTEIRO_BATCHES": "false"}
    before = len(provider.batches.made)
    with WorkerProcess("generate", **alone) as worker:
        await eventually(worker.ready)
        async with Carteiro(broker.address, topic_prefix="hasty", timeout=90) as carteiro:
            reply = await carteiro.ask(GenerateRequest(prompt="It rains.", options=WAIT), timeout=90)
    assert reply.usage.service_tier is None
    assert len(provider.batches.made) == before


def test_a_waiting_service_without_a_model_that_has_batches_says_so(settings):
    with WorkerProcess("waiting", **settings | {"CARTEIRO_GENERATE_MODEL": "http://127.0.0.1:9/v1#echo"}) as worker:
        assert worker.process.wait(60) == 3
        assert "no task has a model with batches" in worker.output

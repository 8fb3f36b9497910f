"""Documents that a provider's batches embed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from carteiro.models.cloud.embedder import CloudEmbedder
from carteiro.models.cloud.embedding_format import EmbeddingFormat
from carteiro.models.cloud.endpoint import BatchAddress
from carteiro.models.prices import Price, PriceTable
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from carteiro.worker.batch_api.partition_batcher import PartitionBatcher
from carteiro.worker.index.chunk_embedder import ChunkEmbedder
from carteiro.worker.index.document_handler import DocumentHandler
from carteiro.worker.model_calls.budget import BudgetLimits, CostBudget
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.deferred_request import Deferral, DeferredRequest
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from tests.provider import Provider
from tests.provider.embeddings import openai, vector
from tests.unit.models.cloud.cloud_models import endpoint
from tests.unit.worker.batch_api.fake_publisher import FakePublisher
from tests.unit.worker.batch_api.killable_worker import SETTINGS
from tests.unit.worker.failing_model import usage_meter
from tests.unit.worker.index.documents import chunks, embedded_texts, record, section

pytestmark = pytest.mark.timeout(60)


@pytest_asyncio.fixture
async def model(provider: Provider) -> AsyncIterator[CloudEmbedder]:
    form, batches = EmbeddingFormat(True, max_texts=256), BatchAddress(url=provider.url)
    model = CloudEmbedder("openai:small", endpoint(provider.url, embeddings=form, batches=batches), timeout=30)
    yield model
    await model.close()


@pytest_asyncio.fixture
async def embedder(model: CloudEmbedder) -> AsyncIterator[ChunkEmbedder]:
    breaker = CircuitBreaker(model, lambda: None)
    yield ChunkEmbedder(FallbackChain([ModelTarget(model, breaker)]), chunk_tokens=32)
    await breaker.stop_probing()


class Batches:
    """The batcher of one partition, which can be restarted. Its state outlives it."""

    def __init__(self, model: CloudEmbedder) -> None:
        self._model, self._stored = model, dict[bytes, bytes]()
        self.batcher = self._open()

    async def restart(self) -> None:
        await self.batcher.close()
        self.batcher = self._open()

    def _open(self) -> PartitionBatcher:
        models = {self._model.name: self._model}
        batcher = PartitionBatcher("index-docs", models, FakePublisher(self._stored), SETTINGS)
        batcher.open(self._stored)
        return batcher


@pytest_asyncio.fixture
async def batches(model: CloudEmbedder) -> AsyncIterator[Batches]:
    batches = Batches(model)
    yield batches
    await batches.batcher.close()


@pytest.fixture
def waiting(handler: DocumentHandler) -> DocumentHandler:
    """The handler of a collection that waits for batches."""
    source = handler.reader.source.model_copy(update={"wait": "24h"})
    return replace(handler, reader=replace(handler.reader, source=source))


async def submitted(provider: Provider, number: int = 1) -> None:
    while len(provider.batches.created) < number:
        await asyncio.sleep(0.001)


async def test_document_is_in_the_store_when_its_batch_has_ended(
    waiting: DocumentHandler, batches: Batches, store: SqliteStore, provider: Provider
) -> None:
    provider.batches.hold()
    text = "".join(map(section, range(3)))
    handling = asyncio.create_task(waiting.handle(record({"text": text}), DeferredRequest(5, batches.batcher)))
    await submitted(provider)
    assert await store.document("docs", "k1") is None
    provider.batches.release()
    assert (await handling).result == "indexed"
    (batch,) = provider.batches.created
    assert batch.body["endpoint"] == "/v1/embeddings"
    assert len(await chunks(store)) == 3
    assert embedded_texts(provider) == ["dimensions"]  # The only live call.


async def test_restarted_worker_finds_the_batch_that_is_paid(
    waiting: DocumentHandler, batches: Batches, store: SqliteStore, provider: Provider
) -> None:
    provider.batches.hold()
    first = asyncio.create_task(waiting.handle(record({"text": section(1)}), DeferredRequest(5, batches.batcher)))
    await submitted(provider)
    first.cancel()
    await batches.restart()
    provider.batches.release()
    outcome = await waiting.handle(record({"text": section(1)}), DeferredRequest(5, batches.batcher))
    assert (outcome.result, len(await chunks(store)), len(provider.batches.created)) == ("indexed", 1, 1)
    assert embedded_texts(provider) == ["dimensions"]


async def test_deletion_does_not_wait_and_is_not_undone_by_the_batch(
    waiting: DocumentHandler, batches: Batches, store: SqliteStore, provider: Provider
) -> None:
    provider.batches.hold()
    add = asyncio.create_task(waiting.handle(record({"text": section(1)}, 5), DeferredRequest(5, batches.batcher)))
    await submitted(provider)
    assert (await waiting.handle(record(None, 6), DeferredRequest(6, batches.batcher))).result == "deleted"
    provider.batches.release()
    assert (await add).result == "outdated"
    assert await store.document("docs", "k1") is None


async def test_texts_are_embedded_live_if_the_deadline_is_near(
    embedder: ChunkEmbedder, batches: Batches, provider: Provider
) -> None:
    soon = Deferral(DeferredRequest(5, batches.batcher), datetime.now(UTC) + timedelta(seconds=0.5))
    assert len(await embedder.embed(["a", "b"], usage_meter(), soon)) == 2
    assert (embedded_texts(provider), provider.batches.created) == (["a", "b"], [])


async def test_all_texts_of_a_document_are_in_one_batch_and_cost_half(
    embedder: ChunkEmbedder, batches: Batches, provider: Provider
) -> None:
    texts = [f"text {number}" for number in range(300)]
    meter = usage_meter(budget=CostBudget(PriceTable({"openai:small": Price(input=1e6, output=1e6)}), BudgetLimits()))
    deferral = Deferral(DeferredRequest(5, batches.batcher), datetime.now(UTC) + timedelta(hours=1))
    vectors = await embedder.embed(texts, meter, deferral)
    assert [list(each) for each in vectors] == [pytest.approx(vector(text), abs=1e-6) for text in texts]
    (batch,) = provider.batches.created
    assert len(batch.lines) == 3
    assert meter.usage.cost_usd == pytest.approx(600 / 2)


async def test_texts_of_which_one_is_refused_are_sent_live_in_parts(
    embedder: ChunkEmbedder, batches: Batches, provider: Provider
) -> None:
    provider.embedding_limit = lambda texts: openai(texts, 3) if len(texts) > 1 else None
    deferral = Deferral(DeferredRequest(5, batches.batcher), datetime.now(UTC) + timedelta(hours=1))
    assert len(await embedder.embed(["a b c d e", "b"], usage_meter(), deferral)) == 2
    assert len(provider.batches.created) == 1

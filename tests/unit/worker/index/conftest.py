"""The parts of an index worker: a real store in a file, and a real server as the provider of vectors."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from carteiro.index.collection_source import CollectionSource
from carteiro.models.cloud.embedder import CloudEmbedder
from carteiro.models.cloud.embedding_format import EmbeddingFormat
from carteiro.references.memory_budget import MemoryBudget
from carteiro.retrieval.readers.file_reader import DocumentFileReader
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from carteiro.worker.handling.dead_letters import DeadLetters
from carteiro.worker.index.chunk_embedder import ChunkEmbedder
from carteiro.worker.index.document_handler import DocumentHandler
from carteiro.worker.index.document_reader import DocumentReader
from carteiro.worker.index.document_writer import MEMORY_CHARACTERS, DocumentWriter
from carteiro.worker.index.generations import Embedders, Generations
from carteiro.worker.index.store_connection import StoreConnection
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import endpoint
from tests.unit.worker.failing_model import FREE


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "documents.sqlite")
    await store.open()
    yield store
    await store.close()


@asynccontextmanager
async def chain_of(provider: Provider, name: str) -> AsyncIterator[FallbackChain]:
    served = endpoint(provider.url, model=name, embeddings=EmbeddingFormat(True, max_texts=256))
    model = CloudEmbedder(f"openai:{name}", served, timeout=30)
    breaker = CircuitBreaker(model, lambda: None)
    yield FallbackChain([ModelTarget(model, breaker)])
    await breaker.stop_probing()
    await model.close()


@pytest_asyncio.fixture
async def embedder(provider: Provider) -> AsyncIterator[ChunkEmbedder]:
    async with chain_of(provider, "small") as chain:
        yield ChunkEmbedder(chain, chunk_tokens=32)


@pytest_asyncio.fixture
async def other_embedder(provider: Provider) -> AsyncIterator[ChunkEmbedder]:
    """An embedder of another model, with other vectors."""
    async with chain_of(provider, "large") as chain:
        yield ChunkEmbedder(chain, chunk_tokens=32, dimensions=16)


def make_writer(store: SqliteStore, embedder: ChunkEmbedder, earlier: Mapping[str, FallbackChain]) -> DocumentWriter:
    """Return a writer of a worker that can open earlier models by their names."""

    async def open_model(name: str) -> FallbackChain | None:
        return earlier.get(name)

    connection = StoreConnection(store)
    generations = Generations("docs", connection, Embedders(embedder, open_model))
    return DocumentWriter(connection, generations, MemoryBudget(MEMORY_CHARACTERS))


@pytest.fixture
def writer(store: SqliteStore, embedder: ChunkEmbedder) -> DocumentWriter:
    return make_writer(store, embedder, {})


@pytest.fixture
def handler(writer: DocumentWriter) -> DocumentHandler:
    source = CollectionSource(collection="docs", source="llm.index-docs.documents")
    return DocumentHandler(
        DocumentReader(source, DocumentFileReader()), writer, FREE, "g", DeadLetters("llm.index-docs.dead", "g")
    )

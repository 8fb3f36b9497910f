"""A collection whose worker starts with another embedding model."""

import asyncio
from collections.abc import Sequence
from unittest.mock import patch

import pytest

from carteiro.retrieval.chunk import EmbeddedChunk
from carteiro.retrieval.collection import Generation
from carteiro.retrieval.document import Document, StoredDocument, Version
from carteiro.retrieval.errors import CollectionUnknown, DocumentInvalid
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from carteiro.worker.index.chunk_embedder import ChunkEmbedder
from carteiro.worker.index.document_writer import DocumentWriter
from carteiro.worker.index.rebuild import Rebuild, forget_counts
from carteiro.worker.observability import metrics
from tests.provider import Provider
from tests.unit.worker.failing_model import FREE, usage_meter
from tests.unit.worker.index.conftest import make_writer
from tests.unit.worker.index.documents import embedded_texts, section

pytestmark = pytest.mark.timeout(60)


def version(offset: int) -> Version:
    return Version("docs", 0, offset, offset)


async def fill(writer: DocumentWriter, count: int) -> None:
    for number in range(count):
        document = Document(f"k{number:02}", section(number) + section(100 + number))
        assert await writer.write(document, version(number), usage_meter())


async def models(store: SqliteStore) -> tuple[str, list[str]]:
    """Return the model of the active generation, and those of all."""
    collection = await store.collection("docs")
    assert collection.active
    return collection.active.embedding.model, [each.embedding.model for each in collection.generations]


async def test_collection_of_an_earlier_model_is_rebuilt_and_switched_over(
    writer: DocumentWriter, store: SqliteStore, other_embedder: ChunkEmbedder, provider: Provider
) -> None:
    await fill(writer, 20)
    provider.requests.clear()
    new = make_writer(store, other_embedder, {})
    await Rebuild(new, FREE, "index-docs").step()
    assert await models(store) == ("openai:large", ["openai:large"])
    counts = await store.counts("docs")
    assert (counts.documents, list(counts.chunks.values()), list(counts.outdated.values())) == (20, [40], [0])
    assert len([text for text in embedded_texts(provider) if "Part" in text]) == 40
    provider.requests.clear()
    await Rebuild(new, FREE, "index-docs").step()
    assert provider.requests == []
    assert metrics.COLLECTION_CHUNKS.labels("docs")._value.get() == 40
    forget_counts("docs")
    forget_counts("docs")


async def test_rebuild_that_is_killed_goes_on_and_searches_use_the_earlier_generation_meanwhile(
    writer: DocumentWriter, store: SqliteStore, other_embedder: ChunkEmbedder, provider: Provider
) -> None:
    await fill(writer, 30)
    provider.hold()
    step = asyncio.create_task(Rebuild(make_writer(store, other_embedder, {}), FREE, "index-docs").step())
    provider.requests.clear()
    while len(provider.requests) < 1:
        await asyncio.sleep(0.01)
    provider.release()
    while len(embedded_texts(provider)) < 18:  # Those of the first documents, and some.
        await asyncio.sleep(0)
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
    assert await models(store) == ("openai:small", ["openai:small", "openai:large"])
    outdated = max((await store.counts("docs")).outdated.values())
    assert 0 < outdated < 30
    provider.requests.clear()
    await Rebuild(make_writer(store, other_embedder, {}), FREE, "index-docs").step()
    assert await models(store) == ("openai:large", ["openai:large"])
    assert len([text for text in embedded_texts(provider) if "Part" in text]) == 2 * outdated


async def test_new_documents_go_to_both_generations_during_a_rebuild(
    writer: DocumentWriter, store: SqliteStore, other_embedder: ChunkEmbedder
) -> None:
    await fill(writer, 1)
    earlier = writer.generations.embedders.current.chain
    new = make_writer(store, other_embedder, {"openai:small": earlier})
    await new.write(Document("k50", section(50)), version(50), usage_meter())
    assert await models(store) == ("openai:small", ["openai:small", "openai:large"])
    counts = await store.counts("docs")
    assert sorted(zip(counts.chunks.values(), counts.outdated.values(), strict=True)) == [(1, 1), (3, 0)]


async def test_new_documents_wait_for_the_rebuild_if_the_earlier_model_is_gone(
    writer: DocumentWriter, store: SqliteStore, other_embedder: ChunkEmbedder
) -> None:
    await fill(writer, 1)
    new = make_writer(store, other_embedder, {})
    await new.write(Document("k50", section(50)), version(50), usage_meter())
    counts = await store.counts("docs")
    assert sorted(zip(counts.chunks.values(), counts.outdated.values(), strict=True)) == [(1, 1), (2, 1)]


async def test_worker_with_the_earlier_settings_does_not_rebuild_back(
    writer: DocumentWriter, store: SqliteStore, other_embedder: ChunkEmbedder, provider: Provider
) -> None:
    await fill(writer, 3)
    new = make_writer(store, other_embedder, {})
    await Rebuild(new, FREE, "index-docs").step()
    await writer.write(Document("k60", section(60)), version(60), usage_meter())
    await Rebuild(writer, FREE, "index-docs").step()
    assert writer.generations.is_superseded
    assert await models(store) == ("openai:large", ["openai:large"])
    await Rebuild(new, FREE, "index-docs").step()
    counts = await store.counts("docs")
    assert (counts.documents, list(counts.outdated.values())) == (4, [0])


async def test_document_that_the_new_model_refuses_does_not_stop_the_switch_and_is_tried_once(
    writer: DocumentWriter, store: SqliteStore, other_embedder: ChunkEmbedder, provider: Provider
) -> None:
    await fill(writer, 3)

    def refuse(texts: list[str]) -> tuple[int, object] | None:
        refused = any("part 101" in text.lower() for text in texts)
        return (400, {"error": {"message": "no", "code": "content_filter"}}) if refused else None

    provider.embedding_limit = refuse  # type: ignore[assignment]
    rebuild = Rebuild(make_writer(store, other_embedder, {}), FREE, "index-docs")
    await rebuild.step()
    assert await models(store) == ("openai:large", ["openai:large"])
    assert [(error.key, error.code) for error in await store.errors("docs")] == [("k01", "content_filtered")]
    provider.requests.clear()
    await rebuild.step()
    assert provider.requests == []


async def test_document_that_the_store_never_takes_does_not_stop_the_switch(
    writer: DocumentWriter, store: SqliteStore, other_embedder: ChunkEmbedder
) -> None:
    await fill(writer, 3)
    build = store.build

    async def refuse(generation: Generation, stored: StoredDocument, chunks: Sequence[EmbeddedChunk]) -> bool:
        if stored.document.key == "k01":
            raise DocumentInvalid("no")
        return await build(generation, stored, chunks)

    with patch.object(store, "build", refuse):
        await Rebuild(make_writer(store, other_embedder, {}), FREE, "index-docs").step()
    assert await models(store) == ("openai:large", ["openai:large"])
    assert [(error.key, error.code) for error in await store.errors("docs")] == [("k01", "invalid_request")]


async def test_collection_that_does_not_exist_is_not_rebuilt(writer: DocumentWriter, provider: Provider) -> None:
    rebuild = Rebuild(writer, FREE, "index-docs")
    with pytest.raises(CollectionUnknown):
        await rebuild.step()
    assert provider.requests == []


async def test_rebuild_goes_on_after_an_error(writer: DocumentWriter) -> None:
    pauses: list[float] = []

    async def stop_after_two(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Rebuild(writer, FREE, "index-docs", stop_after_two).run()
    assert len(pauses) == 2

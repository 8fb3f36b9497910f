"""Documents that are written while others change the store."""

from unittest.mock import patch

import pytest

from carteiro.retrieval.collection import EmbeddingSettings, Generation
from carteiro.retrieval.document import Document, Version
from carteiro.retrieval.errors import DocumentStoreUnavailable
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from carteiro.worker.index.document_writer import DocumentWriter
from tests.provider import Provider
from tests.unit.worker.failing_model import usage_meter
from tests.unit.worker.index.documents import chunks, embedded_texts, section

pytestmark = pytest.mark.timeout(60)
DOCUMENT = Document("k1", section(1) + section(2))


def version(offset: int) -> Version:
    return Version("docs", 0, offset, offset)


async def test_vectors_that_vanish_meanwhile_are_made_again(
    writer: DocumentWriter, store: SqliteStore, provider: Provider
) -> None:
    await writer.write(DOCUMENT, version(1), usage_meter())
    known = await store.known_hashes(*[each async for each in generations(store)], "k1")
    other = Document("k1", section(3))
    await writer.write(other, version(2), usage_meter())

    async def outdated(*_: object) -> frozenset[str]:
        return known

    provider.requests.clear()
    with patch.object(store, "known_hashes", outdated):
        assert await writer.write(DOCUMENT, version(3), usage_meter())
    assert len(embedded_texts(provider)) == 2
    assert len(await chunks(store)) == 2


async def generations(store: SqliteStore):
    for each in (await store.collection("docs")).generations:
        yield each


async def test_collection_that_is_deleted_meanwhile_is_created_again(
    writer: DocumentWriter, store: SqliteStore
) -> None:
    await writer.write(DOCUMENT, version(1), usage_meter())
    known_hashes = store.known_hashes

    async def delete_first(generation: Generation, key: str) -> frozenset[str]:
        store.known_hashes = known_hashes  # type: ignore[method-assign]
        await store.drop_collection("docs")
        return await known_hashes(generation, key)

    store.known_hashes = delete_first  # type: ignore[method-assign]
    assert await writer.write(DOCUMENT, version(2), usage_meter())
    assert len(await chunks(store)) == 2


async def test_chunks_are_those_of_the_settings(writer: DocumentWriter, store: SqliteStore) -> None:
    await writer.write(DOCUMENT, version(1), usage_meter())
    (generation,) = (await store.collection("docs")).generations
    assert generation.embedding == EmbeddingSettings("openai:small", 8, 32, 4)


async def test_chunks_of_equal_text_are_embedded_once(
    writer: DocumentWriter, store: SqliteStore, provider: Provider
) -> None:
    await writer.write(Document("k1", section(1) * 3), version(1), usage_meter())
    assert len(await chunks(store)) == 3
    assert len([text for text in embedded_texts(provider) if "Part" in text]) == 1


async def test_store_that_is_away_pauses_intake_and_the_document_waits(
    writer: DocumentWriter, store: SqliteStore
) -> None:
    reasons: list[str | None] = []
    write, failures = store.write, [DocumentStoreUnavailable("the disk is full")] * 2

    async def fail_first(*arguments: object) -> bool:
        if failures:
            raise failures.pop()
        return await write(*arguments)  # type: ignore[arg-type]

    async def watch(_: float) -> None:
        reasons.append(writer.pause_reason)

    store.write = fail_first  # type: ignore[method-assign,assignment]
    writer.connection._sleep = watch
    assert await writer.write(DOCUMENT, version(1), usage_meter())
    assert (reasons, writer.pause_reason) == (["the disk is full"] * 2, None)
    assert len(await chunks(store)) == 2

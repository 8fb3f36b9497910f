"""From a question to passages, on a store in a file."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from carteiro.models.results import Relevance
from carteiro.retrieval.chunk import Chunk, EmbeddedChunk
from carteiro.retrieval.collection import EmbeddingSettings, Generation
from carteiro.retrieval.document import Document, Version
from carteiro.retrieval.errors import CollectionUnknown
from carteiro.retrieval.retriever import EmptyCollection, Search, find_passages
from carteiro.retrieval.store import DocumentStore
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from carteiro.schemas import Usage
from tests.unit.services.word_embedder import WordEmbedder

GENERATION = Generation("town", EmbeddingSettings("words", 256, 20, 3))
DOCUMENTS = {
    "ferry": "The ferry leaves at nine.",
    "market": "The market opens in May.",
    "fares": "A ticket for the ferry costs two euros.",
    "fares-south": "A ticket for the ferry costs three euros.",
}
EMBEDDER = WordEmbedder()


async def embed(embedding: EmbeddingSettings, text: str) -> Any:
    assert embedding == GENERATION.embedding
    return (await EMBEDDER.embed([text])).vectors[0]


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> Any:
    store = SqliteStore(tmp_path / "documents.sqlite")
    await store.open()
    await store.add_generation(GENERATION)
    for number, (key, text) in enumerate(DOCUMENTS.items()):
        document = Document(key, text, fields={"tenant": "south" if "south" in key else "north"}, page_starts=(0, 11))
        vector = (await EMBEDDER.embed([text])).vectors[0]
        rows = [EmbeddedChunk(Chunk(0, 0, len(text), text, page=1), vector)]
        await store.write("town", document, Version("t", 0, number), {GENERATION: rows})
    yield store
    await store.close()


async def found(store: DocumentStore, text: str, **more: Any) -> list[str]:
    return [each.key for each in await find_passages(store, embed, Search(collection="town", text=text, **more))]


async def test_best_passage_by_vectors_and_words_comes_first(store):
    assert (await found(store, "When does the ferry leave?"))[0] == "ferry"
    assert set(await found(store, "A ticket for the ferry costs", top_k=2)) == {"fares", "fares-south"}


@pytest.mark.parametrize("kinds", [("vectors",), ("words",)])
async def test_kinds_of_search_can_be_used_apart(store, kinds):
    assert (await found(store, "The market opens when?", kinds=kinds))[0] == "market"


async def test_filter_chooses_documents(store):
    assert await found(store, "ferry ticket", filters={"tenant": "south"}) == ["fares-south"]
    assert await found(store, "ferry ticket", filters={"colour": "red"}) == []


async def test_question_before_says_what_a_follow_up_is_about(store):
    assert "market" not in await found(store, "When is it?", top_k=1)
    assert await found(store, "When is it?", earlier="Is there a market?", top_k=1) == ["market"]


async def test_pages_are_those_of_the_document(store):
    (passage,) = await find_passages(store, embed, Search(collection="town", text="market", top_k=1))
    assert passage.pages == ((1, 0), (2, 11))


async def test_question_without_words_finds_nothing_by_words(store):
    assert await found(store, "???", kinds=("words",)) == []


async def test_missing_and_empty_collections_are_told_apart(store):
    with pytest.raises(CollectionUnknown):
        await find_passages(store, embed, Search(collection="village", text="x"))
    await store.add_generation(Generation("village", GENERATION.embedding))
    with pytest.raises(EmptyCollection):
        await find_passages(store, embed, Search(collection="village", text="x"))


async def test_generation_that_is_replaced_during_a_search_is_looked_up_again(store):
    class Replaced:
        """Store that drops the generation of its first answer."""

        def __init__(self) -> None:
            self.first = True

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        async def collection(self, name: str) -> Any:
            if self.first:
                self.first = False
                old = EmbeddingSettings("words", 256, 10, 1)
                return SimpleNamespace(active=Generation("town", old))
            return await store.collection(name)

    async def embed_any(embedding: EmbeddingSettings, text: str) -> Any:
        return (await EMBEDDER.embed([text])).vectors[0]

    passages = await find_passages(Replaced(), embed_any, Search(collection="town", text="market", top_k=1))
    assert [each.key for each in passages] == ["market"]


class ShortestFirst:
    """Rerank model for which shorter texts are better."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def score(self, query: str, texts: list[str]) -> Relevance:
        self.asked.append((query, len(texts)))
        return Relevance([-len(text) for text in texts], Usage())


async def test_rerank_model_orders_more_passages_than_are_returned(store):
    model = ShortestFirst()
    assert await found(store, "euros", top_k=2, rerank_model=model) == ["market", "ferry"]
    assert model.asked == [("euros", 4)]
    assert await found(store, "euros", rerank_model=model, filters={"colour": "red"}) == []
    assert len(model.asked) == 1


async def test_searches_run_at_once(store):
    results = await asyncio.gather(*(found(store, "ferry ticket", top_k=1) for _ in range(20)))
    assert all(len(each) == 1 for each in results)

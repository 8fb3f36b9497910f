import dataclasses

import psycopg
import pytest

from carteiro.retrieval.collection import EmbeddingSettings, Generation
from carteiro.retrieval.stores.postgres import search
from carteiro.retrieval.stores.postgres.store import PostgresStore
from tests.unit.retrieval.stores.samples import OLD, document, embedded, fill, found, version


@pytest.fixture
async def store(postgres_url):
    store = PostgresStore(postgres_url)
    await store.open()
    yield store
    await store.close()


async def test_filter_loses_no_hits_of_the_index(store, postgres_url, monkeypatch):
    monkeypatch.setattr(search, "_MAX_EXACT_ROWS", 0)
    monkeypatch.setattr(search, "_MIN_CANDIDATES", 2)
    await store.add_generation(OLD)
    for number in range(60):
        each = document(f"k{number:02}", tenant="north" if number % 20 == 19 else "south")
        await store.write("handbook", each, version(number), {OLD: embedded(each, number)})
    assert await found(store, filters={"tenant": "north"}, limit=3) == [("k19", 0), ("k39", 0), ("k59", 0)]
    assert await found(store, 4.8, limit=2) == [("k05", 0), ("k04", 0)]


async def test_searches_use_the_indexes(store, postgres_url):
    await fill(store, *(document(f"k{number}") for number in range(5)))
    with psycopg.connect(postgres_url) as connection:
        connection.execute("SET enable_seqscan = off")
        for query in (
            "SELECT id FROM carteiro.chunks_1 c ORDER BY c.vector::vector(4) <=> '[1,0,0,0]'::vector(4) LIMIT 3",
            "SELECT id FROM carteiro.chunks_1 c WHERE c.words @@ '''notice'' | ''x'''::tsquery",
            "SELECT id FROM carteiro.documents d WHERE d.labels && '{a}'::text[]",
        ):
            plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {query}").fetchall())
            assert "Index Scan" in plan, plan


@pytest.mark.parametrize("dimensions", [2000, 2001, 4000, 4001, 4096])
async def test_vectors_of_any_length_are_found(store, dimensions):
    settings = EmbeddingSettings("openai:long", dimensions, 256, 38)
    long = Generation("handbook", settings)
    await fill(store, *(document(f"k{number}") for number in range(4)), generation=long)
    assert await found(store, 12, generation=long, limit=2) == [("k1", 0), ("k2", 0)]


async def test_frequent_words_find_nothing_by_themselves_next_to_rare_ones(store, monkeypatch):
    monkeypatch.setattr(search, "_MIN_FREQUENT", 4)
    await fill(store, *(document(f"k{number}", f"the text number{number}") for number in range(4)))
    hits = await store.search_words(OLD, "the number2")
    assert [hit.key for hit in hits] == ["k2"]
    assert len(await store.search_words(OLD, "the")) == 4


async def test_chunks_to_rank_are_those_with_the_rarest_words_or_with_the_next_ones_together(store, monkeypatch):
    monkeypatch.setattr(search, "_MAX_RANKED", 3)
    texts = ["red ferry", "red", "red boat", "ferry", "boat", "ferry boat", "blue"]
    await fill(store, *(document(f"k{number}", text) for number, text in enumerate(texts)))
    found = {hit.key for hit in await store.search_words(OLD, "red ferry boat blue")}
    assert found == {"k6"}  # No chunk has all three of the others.
    assert {hit.key for hit in await store.search_words(OLD, "ferry boat")} == {"k0", "k3", "k5"}


async def test_frequencies_of_a_large_table_come_from_its_statistics(store, postgres_url, monkeypatch):
    monkeypatch.setattr(search, "_MIN_ESTIMATED", 1)
    await fill(store, *(document(f"k{number}", f"the text number{number % 10}") for number in range(40)))
    before = [(hit.key, pytest.approx(hit.score)) for hit in await store.search_words(OLD, "the number2")]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    assert [(hit.key, hit.score) for hit in await store.search_words(OLD, "the number2")] == before
    assert len(before) == 10


async def test_vector_of_zeros_is_stored_and_found(store):
    await store.add_generation(OLD)
    (chunk,) = embedded(document(), 0)
    zeros = dataclasses.replace(chunk, vector=[0.0] * 4)
    await store.write("handbook", document(), version(1), {OLD: [zeros]})
    assert await found(store) == [("k1", 0)]

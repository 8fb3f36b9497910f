import dataclasses

import pytest

from carteiro.retrieval.stores.sqlite import search
from carteiro.retrieval.stores.sqlite.store import SqliteStore
from tests.unit.retrieval.stores.samples import OLD, document, embedded, fill, found, found_words, version


@pytest.fixture
async def store(tmp_path):
    store = SqliteStore(tmp_path / "documents.sqlite")
    await store.open()
    yield store
    await store.close()


async def test_deleted_chunks_near_the_query_hide_nothing(store):
    await fill(store, *(document(f"k{number}") for number in range(3)))
    for number in range(5):
        await store.write(
            "handbook", document("near"), version(10 + number), {OLD: embedded(document("near"), *[1] * 36)}
        )
        assert len(await found(store, limit=100)) == 39
    await store.delete("handbook", "near", version(99))
    assert await found(store, limit=2) == [("k0", 0), ("k1", 0)]


async def test_memory_of_deleted_chunks_is_released(store, monkeypatch):
    monkeypatch.setattr(search, "_MAX_DEAD_ROWS", 10)
    await fill(store, document())
    for number in range(20):
        await store.write("handbook", document(), version(1 + number), {OLD: embedded(document(), *[0] * 10)})
        await found(store)
    (scan,) = store._vectors._scans.values()
    assert len(scan._scan.rows.ids) <= 30


async def test_vectors_of_few_generations_are_in_memory(store, monkeypatch):
    monkeypatch.setattr(search, "_MAX_SCANS", 2)
    generations = [dataclasses.replace(OLD, collection=f"c{number}") for number in range(4)]
    for each in generations:
        await fill(store, document(), generation=each)
    for each in generations * 2:
        assert await found(store, generation=each) == [("k1", 0)]
        assert len(store._vectors._scans) <= 2


async def test_frequent_words_are_left_out_next_to_rare_ones(store, monkeypatch):
    monkeypatch.setattr(search, "_FREQUENT", 3)
    await fill(store, *(document(f"k{number}", f"the text number{number}") for number in range(4)))
    assert await found_words(store, "the number2 text") == ["k2"]
    assert len(await found_words(store, "the text")) == 4
    assert await found_words(store, "unknown") == []

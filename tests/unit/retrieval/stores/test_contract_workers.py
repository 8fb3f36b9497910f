"""Promises of each store: several workers at once, and again after a restart."""

import asyncio
import contextlib

import pytest

from carteiro.retrieval.errors import DocumentStoreUnavailable
from tests.unit.retrieval.stores.samples import OLD, document, embedded, fill, found, version


async def test_contents_are_there_after_a_restart(make_store, store):
    await fill(store, document())
    again = make_store()
    await again.open()
    assert await found(again) == [("k1", 0)]
    await again.close()


async def test_writers_at_once_leave_the_newest_version(make_store, store):
    await store.add_generation(OLD)
    stores = [make_store() for _ in range(3)]
    for each in stores:
        await each.open()

    async def write(number: int) -> None:
        text = f"version {number} " * (1 + number % 7)
        written = document(text=text + " " * 30)
        chunks = {OLD: embedded(written, *[number] * (1 + number % 5))}
        # A store may refuse a write while another one of the same document goes on.
        while True:
            with contextlib.suppress(DocumentStoreUnavailable):
                await stores[number % 3].write("handbook", written, version(number), chunks)
                break
        other = document(f"own{number}")
        await stores[number % 3].write("handbook", other, version(number), {OLD: embedded(other, 0)})

    await asyncio.gather(*map(write, range(30)))
    stored = await store.document("handbook", "k1")
    assert stored.version == version(29)
    assert stored.document.text.startswith("version 29")
    hits = await store.search_vectors(OLD, [0.5, 0.5, 0, 0], limit=100)
    assert sorted(hit.key for hit in hits) == sorted(["k1"] * 5 + [f"own{number}" for number in range(30)])
    assert all(
        hit.chunk.text == stored.document.text[hit.chunk.start : hit.chunk.end] for hit in hits if hit.key == "k1"
    )
    for each in stores:
        await each.close()


async def test_changes_of_another_worker_are_found(make_store, store):
    await fill(store, document())
    assert await found(store) == [("k1", 0)]
    other = make_store()
    await other.open()
    await other.write("handbook", document("k2"), version(5), {OLD: embedded(document("k2"), 1)})
    assert await found(store) == [("k1", 0), ("k2", 0)]
    await other.delete("handbook", "k1", version(6))
    assert await found(store) == [("k2", 0)]
    await other.close()


async def test_stores_opened_at_once_agree(make_store):
    stores = [make_store() for _ in range(4)]
    await asyncio.gather(*(each.open() for each in stores))
    await asyncio.gather(*(each.add_generation(OLD) for each in stores))
    assert all([(await each.collection("handbook")).generations == (OLD,) for each in stores])
    for each in stores:
        await each.close()


async def test_closed_store_is_unavailable(make_store):
    store = make_store()
    await store.open()
    await store.close()
    with pytest.raises(DocumentStoreUnavailable):
        await store.collections()

"""Promises of each store: collections, and the change from one embedding model to another."""

import dataclasses

import pytest

from carteiro.retrieval.errors import CollectionUnknown, DocumentStoreInvalid
from tests.unit.retrieval.stores.samples import NEW, OLD, document, embedded, fill, found, found_words, version


async def test_first_generation_of_a_collection_is_active(store):
    assert await store.collections() == []
    created = await store.add_generation(OLD)
    assert (created.name, created.generations, created.active) == ("handbook", (OLD,), OLD)
    assert (await store.add_generation(NEW)).active == OLD
    assert (await store.add_generation(OLD)).generations == (OLD, NEW)
    assert await store.collections() == [await store.collection("handbook")]


async def test_model_is_changed_without_a_gap(store):
    await fill(store, *(document(f"k{number}") for number in range(5)))
    await store.add_generation(NEW)
    assert (await store.counts("handbook")).outdated == {OLD.id: 0, NEW.id: 5}
    built = []
    while outdated := await store.documents("handbook", after=built[-1] if built else "", limit=2, outdated_in=NEW):
        for stored in outdated:
            assert await store.build(NEW, stored, embedded(stored.document, 5, 50, dimensions=3))
            built.append(stored.document.key)
        assert len(await found(store)) == 5
    assert sorted(built) == [f"k{number}" for number in range(5)]
    await store.activate(NEW)
    await store.drop_generation(OLD)
    assert (await store.collection("handbook")).active == NEW
    assert (await store.collection("handbook")).generations == (NEW,)
    assert len(await found(store, generation=NEW, limit=100)) == 10
    assert (await store.counts("handbook")).chunks == {NEW.id: 10}
    with pytest.raises(CollectionUnknown):
        await found(store)


async def test_interrupted_build_goes_on_with_what_is_missing(store):
    await fill(store, *(document(f"k{number}") for number in range(3)))
    await store.add_generation(NEW)
    first, *_ = await store.documents("handbook", outdated_in=NEW)
    await store.build(NEW, first, embedded(first.document, 0, dimensions=3))
    missing = {each.document.key for each in await store.documents("handbook", outdated_in=NEW)}
    assert missing == {"k0", "k1", "k2"} - {first.document.key}


async def test_build_of_a_version_that_was_replaced_is_ignored(store):
    await fill(store, document())
    await store.add_generation(NEW)
    (stored,) = await store.documents("handbook", outdated_in=NEW)
    await store.write("handbook", document(text="changed"), version(7), {OLD: embedded(document(text="changed"), 0)})
    assert not await store.build(NEW, stored, embedded(stored.document, 0, dimensions=3))
    await store.delete("handbook", "k1", version(8))
    assert not await store.build(NEW, stored, embedded(stored.document, 0, dimensions=3))
    assert await found(store, generation=NEW) == []


async def test_document_written_with_one_model_is_outdated_in_the_other(store):
    await fill(store, document())
    await store.add_generation(NEW)
    changed = document(text="changed")
    await store.write("handbook", changed, version(7), {NEW: embedded(changed, 0, dimensions=3)})
    assert (await store.counts("handbook")).outdated == {OLD.id: 1, NEW.id: 0}
    assert await found_words(store, "notice") == ["k1"]
    assert await found_words(store, "notice", generation=NEW) == []
    both = {OLD: embedded(changed, 0), NEW: embedded(changed, None, dimensions=3)}
    await store.write("handbook", changed, version(8), both)
    assert (await store.counts("handbook")).outdated == {OLD.id: 0, NEW.id: 0}
    assert await found_words(store, "notice") == []


async def test_active_generation_is_not_dropped(store):
    await fill(store, document())
    with pytest.raises(DocumentStoreInvalid, match="in use"):
        await store.drop_generation(OLD)
    assert await found(store) == [("k1", 0)]


async def test_dropped_collection_comes_back_empty(store):
    await fill(store, document(tenant="north"))
    await store.note_error("handbook", "k2", version(1), "unreadable", "")
    await store.drop_collection("handbook")
    assert await store.collections() == []
    await store.add_generation(OLD)
    assert await store.document("handbook", "k1") is None
    assert (await store.lookup("handbook", "k1"))[1] is None
    assert await store.errors("handbook") == []
    assert await found(store) == []
    await fill(store, document())
    assert await found(store) == [("k1", 0)]


async def test_dropped_generation_comes_back_empty(store):
    await fill(store, document())
    await store.add_generation(NEW)
    await store.write("handbook", document(), version(2), {NEW: embedded(document(), 0, dimensions=3)})
    assert await found(store, generation=NEW) == [("k1", 0)]
    await store.drop_generation(NEW)
    await store.add_generation(NEW)
    assert await found(store, generation=NEW) == []
    assert (await store.counts("handbook")).outdated[NEW.id] == 1


async def test_wrong_name_of_a_collection_is_refused(store):
    with pytest.raises(DocumentStoreInvalid, match="name of a collection"):
        await store.add_generation(dataclasses.replace(OLD, collection='a"; drop table documents'))


async def test_size_of_the_store_is_told(store):
    size = await store.size_bytes()
    assert size is None or size > 0


async def test_repeated_build_changes_nothing(store):
    await fill(store, document())
    await store.add_generation(NEW)
    (stored,) = await store.documents("handbook")
    for _ in range(2):
        assert await store.build(NEW, stored, embedded(stored.document, 0, dimensions=3))
    assert (await store.counts("handbook")).chunks == {OLD.id: 1, NEW.id: 1}

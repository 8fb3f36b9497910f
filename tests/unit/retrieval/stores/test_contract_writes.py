"""Promises of each store: documents, versions, deletions and errors."""

import dataclasses

import pytest

from carteiro.retrieval.chunk import Chunk, EmbeddedChunk
from carteiro.retrieval.document import MAX_KEY_BYTES, DocumentError, StoredDocument
from carteiro.retrieval.errors import CollectionUnknown, DocumentInvalid, VectorMissing
from tests.unit.retrieval.stores.samples import (
    NEW,
    OLD,
    direction,
    document,
    embedded,
    fill,
    found,
    found_words,
    listed,
    version,
)


async def test_stored_document_is_read_back_as_it_was_written(store):
    written = document(tenant="north", year=2024, share=0.25, is_public=True, name='O\'Brien "x" 東京\\')
    await fill(store, written)
    assert await store.document("handbook", "k1") == StoredDocument(written, version(0))
    assert type((await store.document("handbook", "k1")).document.fields["is_public"]) is bool
    assert await store.document("handbook", "k2") is None
    assert (await store.lookup("handbook", "k2"))[1] is None


@pytest.mark.parametrize("number", [2**53, 1e16, -1e300, 5e-324])
async def test_number_of_any_size_is_read_back_and_found(store, number):
    written = document(number=number)
    await fill(store, written)
    assert await listed(store) == ["k1"]
    (hit,) = await store.search_vectors(OLD, direction(0), {"number": number})
    assert hit.fields == written.fields
    assert type(hit.fields["number"]) is type(number)


async def test_write_replaces_the_chunks_of_the_document(store):
    await store.add_generation(OLD)
    first = document(text="Alpha beta. Gamma delta.")
    second = dataclasses.replace(first, text="Epsilon.", page_starts=())
    await store.write("handbook", first, version(1), {OLD: embedded(first, 0, 90)})
    assert await store.write("handbook", second, version(2), {OLD: embedded(second, 45)})
    assert await found(store) == [("k1", 0)]
    assert await found_words(store, "alpha beta gamma delta") == []
    assert await found_words(store, "epsilon") == ["k1"]
    assert (await store.counts("handbook")).chunks == {OLD.id: 1}


async def test_long_document_is_stored_with_all_its_chunks(store):
    await store.add_generation(OLD)
    long = document(text="word " * 250)
    await store.write("handbook", long, version(1), {OLD: embedded(long, *(number / 10 for number in range(250)))})
    assert (await store.counts("handbook")).chunks == {OLD.id: 250}
    assert await found(store, 24.9, limit=1) == [("k1", 249)]


async def test_late_write_of_an_older_version_is_ignored(store):
    await store.add_generation(OLD)
    new, old = document(text="new text"), document(text="old text")
    await store.write("handbook", new, version(2), {OLD: embedded(new, 0)})
    assert not await store.write("handbook", old, version(1), {OLD: embedded(old, 0)})
    assert not await store.delete("handbook", "k1", version(1))
    assert not await store.note_error("handbook", "k1", version(1), "unreadable", "it is no text")
    assert (await store.document("handbook", "k1")).document.text == "new text"
    assert await found_words(store, "old") == []
    assert await store.errors("handbook") == []


async def test_repeated_write_of_a_version_changes_nothing(store):
    await fill(store, document())
    for _ in range(2):
        assert await store.write("handbook", document(), version(0), {OLD: embedded(document(), 0)})
    counts = await store.counts("handbook")
    assert (counts.documents, counts.chunks, counts.outdated) == (1, {OLD.id: 1}, {OLD.id: 0})
    assert await found_words(store, "notice") == ["k1"]


async def test_deleted_document_is_not_restored_by_an_older_write(store):
    await fill(store, document())
    assert await store.delete("handbook", "k1", version(5))
    assert await store.delete("handbook", "k1", version(5))
    assert not await store.write("handbook", document(), version(4), {OLD: embedded(document(), 0)})
    assert await store.document("handbook", "k1") is None
    assert (await store.lookup("handbook", "k1"))[1] == version(5)
    assert await found(store) == []
    assert await found_words(store, "notice") == []
    assert await store.documents("handbook") == []
    counts = await store.counts("handbook")
    assert (counts.documents, counts.chunks, counts.outdated) == (0, {OLD.id: 0}, {OLD.id: 0})


async def test_document_returns_after_its_deletion(store):
    await fill(store, document())
    await store.delete("handbook", "k1", version(5))
    assert await store.write("handbook", document(tenant="south"), version(6), {OLD: embedded(document(), 0)})
    assert await found(store, filters={"tenant": "south"}) == [("k1", 0)]


async def test_unknown_document_is_deleted_before_its_late_write(store):
    await store.add_generation(OLD)
    assert await store.delete("handbook", "k1", version(2))
    assert not await store.write("handbook", document(), version(1), {OLD: embedded(document(), 0)})


async def test_topic_that_was_created_again_replaces_documents(store):
    await fill(store, document())
    await store.delete("handbook", "k1", version(900))
    again = version(0, timestamp=2_000_000)
    assert await store.write("handbook", document(), again, {OLD: embedded(document(), 0)})
    assert (await store.lookup("handbook", "k1"))[1] == again


async def test_chunk_without_a_vector_keeps_that_of_its_hash(store):
    await store.add_generation(OLD)
    first = document(text="same text / other ")
    await store.write("handbook", first, version(1), {OLD: embedded(first, 80, 20)})
    same, other = embedded(first, None, None)
    assert await store.known_hashes(OLD, "k1") == {same.chunk.hash, other.chunk.hash}
    assert await store.known_hashes(OLD, "k2") == frozenset()
    moved = dataclasses.replace(other.chunk, number=0, start=0)
    assert await store.write("handbook", first, version(2), {OLD: [EmbeddedChunk(moved, None)]})
    (hit,) = await store.search_vectors(OLD, [0, 1, 0, 0])
    assert hit.score == pytest.approx(0.342, abs=0.001)  # the sine of 20 degrees


async def test_chunk_without_a_vector_is_refused_and_nothing_changes(store):
    await fill(store, document())
    changed = document(text="changed")
    for written in ({OLD: embedded(changed, None)}, {NEW: embedded(changed, 0, dimensions=3), OLD: []}):
        with pytest.raises(VectorMissing if written.get(OLD) else CollectionUnknown):
            await store.write("handbook", changed, version(9), written)
    assert await store.document("handbook", "k1") == StoredDocument(document(), version(0))
    assert await found_words(store, "notice") == ["k1"]


async def test_document_without_chunks_is_stored_and_not_found(store):
    await store.add_generation(OLD)
    empty = document(text="", key="empty")
    empty = dataclasses.replace(empty, page_starts=())
    assert await store.write("handbook", empty, version(1), {OLD: []})
    assert await store.document("handbook", "empty") == StoredDocument(empty, version(1))
    counts = await store.counts("handbook")
    assert (counts.documents, counts.chunks, counts.outdated) == (1, {OLD.id: 0}, {OLD.id: 0})


@pytest.mark.parametrize("vector", [[1.0, 0.0], [1.0, 0.0, 0.0, float("nan")], [1.0, 0.0, 0.0, float("inf")], []])
async def test_wrong_vector_is_refused(store, vector):
    await store.add_generation(OLD)
    (chunk,) = embedded(document(), 0)
    with pytest.raises(DocumentInvalid, match="vector"):
        await store.write("handbook", document(), version(1), {OLD: [EmbeddedChunk(chunk.chunk, vector)]})


async def test_unusual_keys_and_texts_are_kept(store):
    keys = ["a/b", "é", "東京", "'; drop table documents; --", "%", "_", "k" * MAX_KEY_BYTES, "\U0001f600", " ", "\n"]
    text = "Text with a NUL \x00 and \U0001f600 and 東京都の人口 and \u202e right to left"
    await fill(store, *(document(key, text) for key in keys))
    for key in keys:
        assert (await store.document("handbook", key)).document.text == text.replace("\x00", "\ufffd")
    assert sorted(await listed(store)) == sorted(keys)
    assert sorted(await found_words(store, "人口")) == sorted(keys)


async def test_long_document_is_kept_whole(store):
    words = " ".join(f"word{number}" for number in range(60_000))
    long = dataclasses.replace(document(text=words), page_starts=())
    chunks = embedded(long, *range(100))
    await store.add_generation(OLD)
    assert await store.write("handbook", long, version(1), {OLD: chunks})
    assert (await store.document("handbook", "k1")).document.text == words
    (hit,) = await store.search_words(OLD, "word44444")
    assert "word44444" in hit.chunk.text
    assert words[hit.chunk.start : hit.chunk.end] == hit.chunk.text


async def test_text_larger_than_a_buffer_of_the_network_is_stored(store):
    await store.add_generation(OLD)
    large = document(text="word " * 1_600_000)
    chunk = Chunk(0, 0, 4, "word", "", 1)
    assert await store.write("handbook", large, version(1), {OLD: [EmbeddedChunk(chunk, direction(0))]})
    assert await found_words(store, "word") == ["k1"]


async def test_documents_are_read_in_pages(store):
    await fill(store, *(document(key) for key in ("b", "a", "d", "c")))
    first = await store.documents("handbook", limit=3)
    rest = await store.documents("handbook", after=first[-1].document.key, limit=3)
    assert len(first) == 3
    assert await store.documents("handbook", after=rest[-1].document.key) == []
    assert sorted(each.document.key for each in first + rest) == ["a", "b", "c", "d"]


async def test_long_documents_are_read_a_few_at_a_time(store, monkeypatch):
    for name in ("sqlite", "postgres"):
        monkeypatch.setattr(f"carteiro.retrieval.stores.{name}.documents.MAX_PAGE_CHARACTERS", 150)
    monkeypatch.setattr("carteiro.retrieval.stores.qdrant.documents._MAX_DOCUMENTS", 2)
    await fill(store, *(document(key, "x" * 100) for key in "abcde"))
    assert len(await store.documents("handbook")) == 2
    assert sorted(await listed(store)) == list("abcde")


async def test_error_of_a_version_is_noted_and_cleared_by_the_next_write(store):
    await fill(store, document())
    assert await store.note_error("handbook", "k1", version(3), "unreadable", "the file is no PDF " + "x" * 5000)
    assert not await store.note_error("handbook", "k1", version(2), "too_large", "it is too large")
    assert await store.note_error("handbook", "k0", version(4), "too_large", "it is too large")
    errors = await store.errors("handbook")
    first, second = sorted(errors, key=lambda error: error.key)
    assert first == DocumentError("k0", version(4), "too_large", "it is too large")
    assert (second.version, second.code, len(second.message)) == (version(3), "unreadable", 1000)
    assert await store.errors("handbook", after=errors[0].key) == [errors[1]]
    assert (await store.counts("handbook")).errors == 2
    assert await found(store) == [("k1", 0)]
    await store.write("handbook", document(), version(5), {OLD: embedded(document(), 0)})
    await store.delete("handbook", "k0", version(5))
    assert await store.errors("handbook") == []


async def test_unknown_collection_is_named_so(store):
    for call in (
        store.collection("other"),
        store.write("other", document(), version(1), {}),
        store.delete("other", "k1", version(1)),
        store.document("other", "k1"),
        store.documents("other"),
        store.note_error("other", "k1", version(1), "internal", ""),
        store.counts("other"),
        store.errors("other"),
        store.search_vectors(OLD, [1, 0, 0, 0]),
        store.search_words(OLD, "word"),
        store.known_hashes(OLD, "k1"),
        store.activate(OLD),
        store.drop_generation(OLD),
        store.drop_collection("other"),
    ):
        with pytest.raises(CollectionUnknown):
            await call

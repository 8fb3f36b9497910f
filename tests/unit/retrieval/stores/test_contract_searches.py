"""Promises of each store: searches and their filters."""

import dataclasses

import pytest

from carteiro.retrieval.chunk import chunk_id
from carteiro.retrieval.collection import Generation
from carteiro.retrieval.errors import SearchInvalid
from tests.unit.retrieval.stores.samples import OLD, direction, document, embedded, fill, found, found_words, version

HOSTILE = [
    "'",
    '"',
    "\\",
    "%",
    "' OR 1=1 --",
    '"] OR true',
    "{}",
    "$$",
    "name",
    "a.b",
    "a->b",
    "a[]",
    "東京",
    "\n",
    ":x",
]


async def test_hit_tells_all_of_its_chunk_and_document(store):
    written = document(tenant="north", year=2024)
    await store.add_generation(OLD)
    await store.write("handbook", written, version(1), {OLD: embedded(written, 0, 60)})
    for hit in (
        (await store.search_vectors(OLD, direction(60), limit=1))[0],
        (await store.search_words(OLD, "LEAVE", limit=1))[0],
    ):
        assert hit.id == chunk_id(OLD, "k1", 1)
        assert hit.chunk == embedded(written, 0, 60)[1].chunk
        assert hit.chunk.page == 2
        assert (hit.key, hit.title, hit.uri) == (written.key, written.title, written.uri)
        assert hit.fields == {"tenant": "north", "year": 2024}
        assert hit.score > 0


async def test_documents_are_found_by_the_longest_values_of_fields(store):
    # Characters in an order that no index compresses.
    longest = "".join(chr(0x4E00 + number * number * 7919 % 20_000) for number in range(1024))
    await fill(store, document("k1", note=longest), document("k2", note=longest[:-1]))
    assert await found(store, filters={"note": longest}) == [("k1", 0)]
    assert await found_words(store, "notice", filters={"note": longest[:-1]}) == ["k2"]


async def test_nearest_chunks_come_first_with_their_cosine(store):
    await fill(store, *(document(f"k{number}") for number in range(10)))
    hits = await store.search_vectors(OLD, [7 * value for value in direction(31)], limit=3)
    assert [hit.key for hit in hits] == ["k3", "k4", "k2"]
    assert [hit.score for hit in hits] == pytest.approx([0.99985, 0.98769, 0.98163], abs=0.0001)


async def test_new_and_deleted_chunks_count_in_the_next_search(store):
    await fill(store, *(document(f"k{number}") for number in range(3)))
    assert await found(store, limit=1) == [("k0", 0)]
    await store.write("handbook", document("nearer"), version(9), {OLD: embedded(document("nearer"), 1, 2, 3)})
    assert await found(store, 2, limit=3) == [("nearer", 1), ("nearer", 0), ("nearer", 2)]
    await store.delete("handbook", "nearer", version(10))
    assert await found(store, 2) == [("k0", 0), ("k1", 0), ("k2", 0)]


async def test_documents_far_from_the_query_are_found_by_a_filter(store):
    near = [document(f"near{number}", tenant="south") for number in range(60)]
    await store.add_generation(OLD)
    for number, each in enumerate(near):
        await store.write("handbook", each, version(number), {OLD: embedded(each, 0.1 * number)})
    far = document("far", tenant="north")
    await store.write("handbook", far, version(100), {OLD: embedded(far, 170)})
    assert await found(store, filters={"tenant": "north"}, limit=5) == [("far", 0)]
    assert await found_words(store, "notice", filters={"tenant": "north"}, limit=5) == ["far"]


@pytest.mark.parametrize(
    ("filters", "keys"),
    [
        ({}, ["k0", "k1", "k2"]),
        ({"tenant": "north"}, ["k0", "k1"]),
        ({"tenant": ["north", "south"]}, ["k0", "k1", "k2"]),
        ({"tenant": "north", "year": [2024]}, ["k1"]),
        ({"tenant": "south", "year": 2023}, []),
        ({"year": 2023.0}, ["k0"]),
        ({"year": "2023"}, []),
        ({"year": True}, []),
        ({"flag": True}, ["k0"]),
        ({"flag": 1}, ["k2"]),
        ({"flag": []}, []),
        ({"other": "north"}, []),
        ({"Tenant": "north"}, []),
        ({"tenant": "North"}, []),
        ({"tenant": "\ud800"}, []),
        ({"tenant": "a\x00"}, []),
    ],
)
async def test_filter_is_by_equal_values_of_all_its_fields(store, filters, keys):
    await fill(
        store,
        document("k0", tenant="north", year=2023, flag=True),
        document("k1", tenant="north", year=2024, flag=False),
        document("k2", tenant="south", year=2024, flag=1),
    )
    assert [key for key, _ in await found(store, filters=filters)] == keys
    assert sorted(await found_words(store, "notice", filters=filters)) == keys


async def test_hostile_names_and_values_of_fields_are_data(store):
    documents = [
        dataclasses.replace(document(f"k{number:02}"), fields={text: text}) for number, text in enumerate(HOSTILE)
    ]
    await fill(store, *documents)
    for number, text in enumerate(HOSTILE):
        assert await found(store, filters={text: text}) == [(f"k{number:02}", 0)]
        assert await found_words(store, "notice", filters={text: [text, "x"]}) == [f"k{number:02}"]
        assert await found(store, filters={text: "other"}) == []


async def test_filter_follows_the_fields_of_the_newest_version(store):
    await fill(store, document(tenant="north"))
    await store.write("handbook", document(tenant="south"), version(3), {OLD: embedded(document(), 0)})
    assert await found(store, filters={"tenant": "north"}) == []
    assert await found_words(store, "notice", filters={"tenant": "south"}) == ["k1"]


async def test_rare_words_count_for_more_than_frequent_words(store):
    texts = ["the notice period is long"] * 8 + ["the the the other thing", "zeppelins in a shed"]
    await fill(store, *(document(f"k{number}", text) for number, text in enumerate(texts)))
    assert (await found_words(store, "the zeppelins"))[0] == "k9"
    assert len(await found_words(store, "the zeppelins", limit=4)) == 4


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("CAFÉ", ["k0"]),
        ("cafe", ["k0"]),
        ("straße", ["k0"]),
        ("STRASSE", ["k0"]),
        ("E-1234", ["k1"]),
        ("人口", ["k1"]),
        ("heading", ["k0", "k1"]),
        ("", []),
        ("?! \x00 \ud800", []),
        ('cafe" OR "', ["k0"]),
        ("NOT AND NEAR( words:", []),
        ("cafe & | ! <-> :* (", ["k0"]),
        ("*", []),
        ("x" * 100_000, []),
        (" ".join(f"w{number}" for number in range(10_000)), []),
    ],
)
async def test_query_is_plain_text(store, query, keys):
    await fill(store, document("k0", "Le café de la Straße"), document("k1", "Error E-1234: 東京都の人口です"))
    assert sorted(await found_words(store, query)) == keys


async def test_collections_are_apart(store):
    other = Generation("other", OLD.embedding)
    await fill(store, document(text="shared word", tenant="north"))
    await fill(store, document("k2", text="shared word", tenant="north"), generation=other)
    for generation, key in ((OLD, "k1"), (other, "k2")):
        assert await found(store, generation=generation, filters={"tenant": "north"}) == [(key, 0)]
        assert await found_words(store, "shared", generation=generation) == [key]


@pytest.mark.parametrize(
    ("vector", "options"),
    [
        ([1.0, 0.0], {}),
        ([1.0, 0.0, 0.0, float("nan")], {}),
        (direction(0), {"limit": 0}),
        (direction(0), {"limit": 1001}),
        (direction(0), {"filters": {f"f{number}": 1 for number in range(17)}}),
    ],
)
async def test_search_that_cannot_be_done_is_refused(store, vector, options):
    await fill(store, document())
    with pytest.raises(SearchInvalid):
        await store.search_vectors(OLD, vector, **options)
    if options:
        with pytest.raises(SearchInvalid):
            await store.search_words(OLD, "notice", **options)


async def test_zero_vector_finds_chunks_without_an_order(store):
    await fill(store, document())
    (hit,) = await store.search_vectors(OLD, [0, 0, 0, 0])
    assert hit.score == 0

"""Writes that are interrupted between two calls of Qdrant, and writers that meet."""

import itertools

import pytest
from qdrant_client import AsyncQdrantClient

from carteiro.retrieval.errors import DocumentStoreUnavailable
from carteiro.retrieval.stores.qdrant.connection import chunks_name
from carteiro.retrieval.stores.qdrant.store import QdrantStore
from tests.unit.retrieval.stores.samples import NEW, OLD, document, embedded, fill, version

CHANGES = ("upsert", "set_payload", "delete")


class Killed(Exception):
    pass


class InterruptedClient:
    """A client that does something before its change of a number, counted from 0."""

    def __init__(self, client: AsyncQdrantClient, number: int, interrupt) -> None:
        self._client, self._changes, self._number, self._interrupt = client, itertools.count(), number, interrupt
        self.was_interrupted = False

    def __getattr__(self, name: str):
        method = getattr(self._client, name)
        if name not in CHANGES:
            return method

        async def call(*arguments, **options):
            if next(self._changes) == self._number:
                self.was_interrupted = True
                await self._interrupt()
            return await method(*arguments, **options)

        return call


async def opened(client) -> QdrantStore:
    store = QdrantStore(client, is_server=False)
    await store.open()
    return store


async def texts(store, generation=OLD) -> set[str]:
    hits = await store.search_words(generation, "first second", limit=100)
    whole = {
        hit.key: "".join(each.chunk.text for each in sorted(hits, key=lambda hit: hit.chunk.number)) for hit in hits
    }
    return set(whole.values())


FIRST, SECOND = document(text="first " * 12, tenant="north"), document(text="second " * 5, tenant="south")
CALLS = {
    "write": (lambda store: store.write("handbook", SECOND, version(2), {OLD: embedded(SECOND, 5, 6)}), {SECOND.text}),
    "delete": (lambda store: store.delete("handbook", "k1", version(2)), set()),
}


@pytest.mark.parametrize("call", CALLS)
async def test_interrupted_change_is_not_seen_and_is_repaired_by_its_repeat(call):
    change, expected = CALLS[call]
    for number in itertools.count():
        client = AsyncQdrantClient(":memory:")
        store = await opened(client)
        await store.add_generation(OLD)
        await store.write("handbook", FIRST, version(1), {OLD: embedded(FIRST, 0, 10, 20)})

        async def kill() -> None:
            raise Killed

        interrupted = InterruptedClient(client, number, kill)
        killed = await opened(interrupted)
        try:
            assert await change(killed)
        except Killed:
            assert await texts(store) in ({FIRST.text}, expected)
            assert await change(store)
        assert await texts(store) == expected
        assert (await store.lookup("handbook", "k1"))[1] == version(2)
        assert (await client.count(chunks_name(OLD))).count == (2 if expected else 0)
        if not interrupted.was_interrupted:
            break
    assert number >= 3


@pytest.mark.parametrize("first", [True, False], ids=["new", "stored"])
@pytest.mark.parametrize("newer", CALLS)
async def test_zombie_that_wakes_up_between_two_calls_changes_nothing(newer, first):
    change, expected = CALLS[newer]
    for number in itertools.count():
        client = AsyncQdrantClient(":memory:")
        store = await opened(client)
        await store.add_generation(OLD)
        if not first:
            await store.write("handbook", document(), version(0), {OLD: embedded(document(), 0, 1)})

        async def overtake(store=store) -> None:
            assert await change(store)

        interrupted = InterruptedClient(client, number, overtake)
        zombie = await opened(interrupted)
        try:
            await zombie.write("handbook", FIRST, version(1), {OLD: embedded(FIRST, 0, 10, 20)})
        except DocumentStoreUnavailable:
            assert not await store.write("handbook", FIRST, version(1), {OLD: embedded(FIRST, 0, 10, 20)})
        if not interrupted.was_interrupted:
            break
        assert await texts(store) == expected
        assert (await store.lookup("handbook", "k1"))[1] == version(2)
    assert number >= 3


async def test_chunks_of_an_interrupted_write_hide_no_others():
    client = AsyncQdrantClient(":memory:")
    store = await opened(client)
    await fill(store, *(document(f"k{number}") for number in range(3)))
    many = document("many", "Notice. " * 100)

    async def kill() -> None:
        raise Killed

    # The claim's two calls and those for the chunks come before the one that makes them count.
    killed = await opened(InterruptedClient(client, 4, kill))
    with pytest.raises(Killed):
        await killed.write("handbook", many, version(5), {OLD: embedded(many, *[0] * 100)})
    assert (await client.count(chunks_name(OLD))).count == 103
    assert [hit.key for hit in await store.search_vectors(OLD, [1, 0, 0, 0], limit=3)] == ["k0", "k1", "k2"]
    assert len(await store.search_words(OLD, "notice", limit=3)) == 3


async def test_chunks_of_another_generation_follow_the_new_fields():
    client = AsyncQdrantClient(":memory:")
    store = await opened(client)
    await store.add_generation(OLD)
    await store.add_generation(NEW)
    await store.write("handbook", FIRST, version(1), {OLD: embedded(FIRST, 0)})
    await store.write("handbook", SECOND, version(2), {NEW: embedded(SECOND, 0, dimensions=3)})
    assert await store.search_vectors(OLD, [1, 0, 0, 0], {"tenant": "north"}) == []
    (hit,) = await store.search_vectors(OLD, [1, 0, 0, 0], {"tenant": "south"})
    assert hit.chunk.text == FIRST.text

"""Generations and collections that are dropped while their documents are used."""

import asyncio
import contextlib

from carteiro.retrieval.errors import CollectionUnknown
from carteiro.retrieval.stores.postgres.store import PostgresStore
from tests.unit.retrieval.stores.samples import NEW, OLD, direction, document, embedded, fill, version


async def test_no_transaction_waits_for_one_that_waits_for_it(postgres_url):
    store = PostgresStore(postgres_url)
    await store.open()
    chunks = {each: embedded(document(), 0, dimensions=each.embedding.dimensions) for each in (OLD, NEW)}

    async def build() -> None:
        if stored := await store.document("handbook", "k1"):
            await store.build(NEW, stored, chunks[NEW])

    uses = [
        build,
        lambda: store.counts("handbook"),
        lambda: store.delete("handbook", "k1", version(1)),
        lambda: store.documents("handbook", outdated_in=NEW),
        lambda: store.known_hashes(NEW, "k1"),
        lambda: store.note_error("handbook", "k1", version(1), "unreadable", ""),
        lambda: store.search_vectors(NEW, direction(0, 3)),
        lambda: store.search_words(NEW, "notice"),
        lambda: store.write("handbook", document(), version(1), chunks),
    ]
    switches = asyncio.create_task(_switch(store))

    async def repeat(use) -> None:
        while not switches.done():
            with contextlib.suppress(CollectionUnknown):
                await use()

    await asyncio.gather(switches, *map(repeat, uses))
    await store.close()


async def _switch(store: PostgresStore) -> None:
    for _ in range(15):
        await fill(store)
        await store.add_generation(NEW)
        await store.drop_generation(NEW)
        await store.drop_collection("handbook")

"""Documents that several workers change at once."""

import asyncio

from carteiro.retrieval.stores.postgres.catalog import fetch
from carteiro.retrieval.stores.postgres.documents import delete_document
from carteiro.retrieval.stores.postgres.store import PostgresStore
from tests.unit.retrieval.stores.samples import document, fill, version


async def test_error_of_a_version_that_is_replaced_meanwhile_is_not_kept(postgres_url):
    store = PostgresStore(postgres_url)
    await store.open()
    await fill(store, document())
    async with store._database.transaction() as connection:
        await delete_document(connection, "handbook", "k1", version(2))
        noted = asyncio.create_task(store.note_error("handbook", "k1", version(1), "unreadable", "it is no text"))
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
        while not (noted.done() or await fetch(connection, waiting)):
            await asyncio.sleep(0)
    assert not await noted
    assert await store.errors("handbook") == []
    await store.close()

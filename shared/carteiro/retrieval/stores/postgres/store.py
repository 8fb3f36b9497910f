"""The store: each call is one transaction."""

import asyncio
from collections.abc import Mapping, Sequence

from carteiro.retrieval.chunk import ChunkHit, EmbeddedChunk
from carteiro.retrieval.collection import Collection, CollectionCounts, Generation
from carteiro.retrieval.document import Document, DocumentError, StoredDocument, Version
from carteiro.retrieval.field_filter import FieldFilter, filter_labels
from carteiro.retrieval.stores.postgres import catalog, documents, search
from carteiro.retrieval.stores.postgres.chunks import ChunkRow, chunk_rows, load_hashes
from carteiro.retrieval.stores.postgres.database import PostgresDatabase
from carteiro.retrieval.stores.validation import check_chunks, check_limit, check_query_vector, storable_error
from carteiro.retrieval.words import query_words

_SECONDS_PER_CHUNK = 0.1
"""Longest time to add a chunk. It took 0.002 to 0.008 seconds: the index of vectors is kept up with each of them."""


class PostgresStore:
    """Documents in PostgreSQL with pgvector. Implements `DocumentStore`."""

    def __init__(self, url: str) -> None:
        """`url` is a connection URI of libpq. Raise `DocumentStoreInvalid` if it is not."""
        self._database = PostgresDatabase(url)

    async def open(self) -> None:
        await self._database.open()

    async def close(self) -> None:
        await self._database.close()

    async def collections(self) -> list[Collection]:
        async with self._database.transaction() as connection:
            return await catalog.list_collections(connection)

    async def collection(self, name: str) -> Collection:
        async with self._database.transaction() as connection:
            return await catalog.load_collection(connection, name)

    async def add_generation(self, generation: Generation) -> Collection:
        async with self._database.transaction() as connection:
            return await catalog.add_generation(connection, generation)

    async def activate(self, generation: Generation) -> None:
        async with self._database.transaction() as connection:
            await catalog.activate(connection, generation)

    async def drop_generation(self, generation: Generation) -> None:
        async with self._database.transaction() as connection:
            await catalog.drop_generation(connection, generation)

    async def drop_collection(self, name: str) -> None:
        async with self._database.transaction() as connection:
            await catalog.drop_collection(connection, name)

    async def write(
        self,
        collection: str,
        document: Document,
        version: Version,
        chunks: Mapping[Generation, Sequence[EmbeddedChunk]],
    ) -> bool:
        rows = await asyncio.to_thread(_checked_rows, collection, chunks)
        seconds = _SECONDS_PER_CHUNK * sum(map(len, rows.values()))
        async with self._database.transaction(seconds, pipelined=True) as connection:
            return await documents.write_document(connection, collection, document, version, rows)

    async def build(self, generation: Generation, stored: StoredDocument, chunks: Sequence[EmbeddedChunk]) -> bool:
        rows = await asyncio.to_thread(_checked_rows, generation.collection, {generation: chunks})
        async with self._database.transaction(_SECONDS_PER_CHUNK * len(chunks), pipelined=True) as connection:
            return await documents.build_document(connection, generation, stored, rows[generation])

    async def delete(self, collection: str, key: str, version: Version) -> bool:
        async with self._database.transaction() as connection:
            return await documents.delete_document(connection, collection, key, version)

    async def document(self, collection: str, key: str) -> StoredDocument | None:
        async with self._database.transaction() as connection:
            return await documents.load_document(connection, collection, key)

    async def lookup(self, collection: str, key: str) -> tuple[Collection, Version | None]:
        async with self._database.connection() as connection:
            selected = await catalog.select_collection(connection, collection, key)
        return await catalog.read_collection(selected, collection)

    async def documents(
        self, collection: str, *, after: str = "", limit: int = 16, outdated_in: Generation | None = None
    ) -> list[StoredDocument]:
        async with self._database.transaction() as connection:
            return await documents.load_documents(connection, collection, after, limit, outdated_in)

    async def known_hashes(self, generation: Generation, key: str) -> frozenset[str]:
        async with self._database.transaction() as connection:
            row = await catalog.generation_row(connection, generation)
            collection = await catalog.collection_row(connection, generation.collection)
            return await load_hashes(connection, row, collection, key)

    async def search_vectors(
        self, generation: Generation, vector: Sequence[float], filters: FieldFilter | None = None, limit: int = 10
    ) -> list[ChunkHit]:
        check_limit(limit)
        unit, labels = check_query_vector(generation, vector), filter_labels(filters)
        async with self._database.transaction() as connection:
            return await search.search_vectors(connection, generation, unit, labels, limit)

    async def search_words(
        self, generation: Generation, query: str, filters: FieldFilter | None = None, limit: int = 10
    ) -> list[ChunkHit]:
        check_limit(limit)
        labels = filter_labels(filters)
        words = await asyncio.to_thread(query_words, query)
        async with self._database.transaction() as connection:
            return await search.search_words(connection, generation, words, labels, limit)

    async def note_error(self, collection: str, key: str, version: Version, code: str, message: str) -> bool:
        error = storable_error(key, version, code, message)
        async with self._database.transaction() as connection:
            return await documents.note_error(connection, collection, error)

    async def errors(self, collection: str, *, after: str = "", limit: int = 100) -> list[DocumentError]:
        async with self._database.transaction() as connection:
            return await documents.load_errors(connection, collection, after, limit)

    async def counts(self, collection: str) -> CollectionCounts:
        async with self._database.transaction() as connection:
            return await catalog.count(connection, collection)

    async def size_bytes(self) -> int | None:
        query = (
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'carteiro' AND c.relkind = 'r'"
        )
        async with self._database.transaction() as connection:
            ((size,),) = await catalog.fetch(connection, query)
        return int(size)


def _checked_rows(
    collection: str, chunks: Mapping[Generation, Sequence[EmbeddedChunk]]
) -> dict[Generation, list[ChunkRow]]:
    check_chunks(collection, chunks)
    return {generation: chunk_rows(embedded) for generation, embedded in chunks.items()}

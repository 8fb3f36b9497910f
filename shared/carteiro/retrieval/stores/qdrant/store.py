"""The store: the parts of this package behind one protocol."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from qdrant_client import AsyncQdrantClient

from carteiro.retrieval.chunk import ChunkHit, EmbeddedChunk
from carteiro.retrieval.collection import Collection, CollectionCounts, Generation
from carteiro.retrieval.document import Document, DocumentError, StoredDocument, Version
from carteiro.retrieval.errors import DocumentStoreInvalid, DocumentStoreUnavailable
from carteiro.retrieval.field_filter import FieldFilter, filter_labels
from carteiro.retrieval.stores.qdrant import catalog, documents, search
from carteiro.retrieval.stores.qdrant.chunks import load_hashes
from carteiro.retrieval.stores.qdrant.connection import connect, translated_errors
from carteiro.retrieval.stores.validation import check_chunks, check_limit, check_query_vector, storable_error
from carteiro.retrieval.words import query_words

_MIN_VERSION = (1, 17)
"""First version that adds a point only if it is not there."""


class QdrantStore:
    """Documents in Qdrant. Implements `DocumentStore`."""

    def __init__(self, client: AsyncQdrantClient, *, is_server: bool = True) -> None:
        """`is_server` is False for the client's own store in memory."""
        self._client, self._is_server, self._is_open = client, is_server, False

    @classmethod
    def at(cls, url: str) -> "QdrantStore":
        """Return the store of an address, as `connect`."""
        return cls(connect(url))

    @asynccontextmanager
    async def _calls(self) -> AsyncIterator[AsyncQdrantClient]:
        if not self._is_open:
            raise DocumentStoreUnavailable("the store is closed")
        with translated_errors():
            yield self._client

    async def open(self) -> None:
        self._is_open = True
        async with self._calls() as client:
            if self._is_server:
                version = (await client.info()).version
                if tuple(map(int, version.split(".")[:2])) < _MIN_VERSION:
                    raise DocumentStoreInvalid(f"the server is Qdrant {version[:20]}: update it to 1.17 or later")
            await catalog.create_catalog(client)

    async def close(self) -> None:
        self._is_open = False
        if self._is_server:
            await self._client.close()

    async def collections(self) -> list[Collection]:
        async with self._calls() as client:
            return await catalog.list_collections(client)

    async def collection(self, name: str) -> Collection:
        async with self._calls() as client:
            return await catalog.load_collection(client, name)

    async def add_generation(self, generation: Generation) -> Collection:
        async with self._calls() as client:
            return await catalog.add_generation(client, generation)

    async def activate(self, generation: Generation) -> None:
        async with self._calls() as client:
            await catalog.activate(client, generation)

    async def drop_generation(self, generation: Generation) -> None:
        async with self._calls() as client:
            await catalog.drop_generation(client, generation)

    async def drop_collection(self, name: str) -> None:
        async with self._calls() as client:
            await catalog.drop_collection(client, name)

    async def write(
        self,
        collection: str,
        document: Document,
        version: Version,
        chunks: Mapping[Generation, Sequence[EmbeddedChunk]],
    ) -> bool:
        await asyncio.to_thread(check_chunks, collection, chunks)
        async with self._calls() as client:
            return await documents.write_document(client, collection, document, version, chunks)

    async def build(self, generation: Generation, stored: StoredDocument, chunks: Sequence[EmbeddedChunk]) -> bool:
        await asyncio.to_thread(check_chunks, generation.collection, {generation: chunks})
        async with self._calls() as client:
            return await documents.build_document(client, generation, stored, chunks)

    async def delete(self, collection: str, key: str, version: Version) -> bool:
        async with self._calls() as client:
            return await documents.delete_document(client, collection, key, version)

    async def document(self, collection: str, key: str) -> StoredDocument | None:
        async with self._calls() as client:
            payload = await documents.load_point(client, collection, key)
        return documents.stored_document(payload) if payload and payload["state"] == "stored" else None

    async def lookup(self, collection: str, key: str) -> tuple[Collection, Version | None]:
        async with self._calls() as client:
            found = await catalog.load_collection(client, collection)
            return found, documents.version_of(await documents.load_point(client, collection, key))

    async def documents(
        self, collection: str, *, after: str = "", limit: int = 16, outdated_in: Generation | None = None
    ) -> list[StoredDocument]:
        async with self._calls() as client:
            return await documents.load_documents(client, collection, after, limit, outdated_in)

    async def known_hashes(self, generation: Generation, key: str) -> frozenset[str]:
        async with self._calls() as client:
            await catalog.check_generation(client, generation)
            payload = await documents.load_point(client, generation.collection, key)
            number = payload["builds"].get(generation.id) if payload else None
            return await load_hashes(client, generation, key, number) if number else frozenset()

    async def search_vectors(
        self, generation: Generation, vector: Sequence[float], filters: FieldFilter | None = None, limit: int = 10
    ) -> list[ChunkHit]:
        check_limit(limit)
        unit, labels = check_query_vector(generation, vector), filter_labels(filters)
        async with self._calls() as client:
            return await search.search_vectors(client, generation, unit, labels, limit)

    async def search_words(
        self, generation: Generation, query: str, filters: FieldFilter | None = None, limit: int = 10
    ) -> list[ChunkHit]:
        check_limit(limit)
        labels = filter_labels(filters)
        words = await asyncio.to_thread(query_words, query)
        async with self._calls() as client:
            return await search.search_words(client, generation, words, labels, limit)

    async def note_error(self, collection: str, key: str, version: Version, code: str, message: str) -> bool:
        error = storable_error(key, version, code, message)
        async with self._calls() as client:
            return await documents.note_error(client, collection, error)

    async def errors(self, collection: str, *, after: str = "", limit: int = 100) -> list[DocumentError]:
        async with self._calls() as client:
            return await documents.load_errors(client, collection, after, limit)

    async def counts(self, collection: str) -> CollectionCounts:
        async with self._calls() as client:
            return await catalog.count(client, collection)

    async def size_bytes(self) -> int | None:
        return None

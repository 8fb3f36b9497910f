"""The store for an event loop: all work is done in threads."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from carteiro.retrieval.chunk import ChunkHit, EmbeddedChunk
from carteiro.retrieval.collection import Collection, CollectionCounts, Generation
from carteiro.retrieval.document import Document, DocumentError, StoredDocument, Version
from carteiro.retrieval.errors import DocumentStoreInvalid
from carteiro.retrieval.field_filter import FieldFilter, filter_labels
from carteiro.retrieval.stores.sqlite import catalog, documents
from carteiro.retrieval.stores.sqlite import chunks as chunk_rows
from carteiro.retrieval.stores.sqlite.database import Database
from carteiro.retrieval.stores.sqlite.search import VectorSearch, search_words
from carteiro.retrieval.stores.validation import check_chunks, check_limit, check_query_vector, storable_error
from carteiro.retrieval.words import query_words

P = ParamSpec("P")
T = TypeVar("T")

_READERS = 4


class SqliteStore:
    """Documents in a SQLite file. Implements `DocumentStore`."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        self._vectors = VectorSearch()
        self._readers = ThreadPoolExecutor(_READERS, "document-store-reads")
        # SQLite has one writer at a time. Others would wait in threads that searches need.
        self._writer = ThreadPoolExecutor(1, "document-store-writes")

    @classmethod
    def at(cls, url: str) -> "SqliteStore":
        """Return the store of an address: `sqlite:///relative/path` or `sqlite:////absolute/path`.

        Raise `DocumentStoreInvalid` for an address without a path.
        """
        path = url.removeprefix("sqlite:///")
        if path == url or not path:
            raise DocumentStoreInvalid("the address of the store is not sqlite:///relative/path or sqlite:////path")
        return cls(Path(path))

    async def open(self) -> None:
        await self._in_thread(self._database.open)

    async def close(self) -> None:
        await self._in_thread(self._database.close)

    async def collections(self) -> list[Collection]:
        return await self._read(catalog.list_collections)

    async def collection(self, name: str) -> Collection:
        return await self._read(catalog.load_collection, name)

    async def add_generation(self, generation: Generation) -> Collection:
        return await self._write(catalog.add_generation, generation)

    async def activate(self, generation: Generation) -> None:
        await self._write(catalog.activate, generation)

    async def drop_generation(self, generation: Generation) -> None:
        await self._write(catalog.drop_generation, generation)

    async def drop_collection(self, name: str) -> None:
        await self._write(catalog.drop_collection, name)

    async def write(
        self,
        collection: str,
        document: Document,
        version: Version,
        chunks: Mapping[Generation, Sequence[EmbeddedChunk]],
    ) -> bool:
        def checked(connection: sqlite3.Connection) -> bool:
            return documents.write_document(connection, document, version, dict(chunks), collection)

        await self._in_thread(check_chunks, collection, chunks)
        return await self._write(checked)

    async def build(self, generation: Generation, stored: StoredDocument, chunks: Sequence[EmbeddedChunk]) -> bool:
        await self._in_thread(check_chunks, generation.collection, {generation: chunks})
        return await self._write(documents.build_document, generation, stored, chunks)

    async def delete(self, collection: str, key: str, version: Version) -> bool:
        return await self._write(documents.delete_document, collection, key, version)

    async def document(self, collection: str, key: str) -> StoredDocument | None:
        return await self._read(documents.load_document, collection, key)

    async def lookup(self, collection: str, key: str) -> tuple[Collection, Version | None]:
        def load(connection: sqlite3.Connection) -> tuple[Collection, Version | None]:
            row = catalog.collection_row(connection, collection)
            return catalog.load_collection(connection, collection), documents.load_version(connection, row, key)

        return await self._read(load)

    async def documents(
        self, collection: str, *, after: str = "", limit: int = 16, outdated_in: Generation | None = None
    ) -> list[StoredDocument]:
        return await self._read(documents.load_documents, collection, after, limit, outdated_in)

    async def known_hashes(self, generation: Generation, key: str) -> frozenset[str]:
        def load(connection: sqlite3.Connection) -> frozenset[str]:
            row = catalog.generation_row(connection, generation)
            return chunk_rows.load_hashes(
                connection, row, catalog.collection_row(connection, generation.collection), key
            )

        return await self._read(load)

    async def search_vectors(
        self, generation: Generation, vector: Sequence[float], filters: FieldFilter | None = None, limit: int = 10
    ) -> list[ChunkHit]:
        check_limit(limit)
        unit, labels = check_query_vector(generation, vector), filter_labels(filters)
        return await self._read(self._vectors.search, generation, unit, labels, limit)

    async def search_words(
        self, generation: Generation, query: str, filters: FieldFilter | None = None, limit: int = 10
    ) -> list[ChunkHit]:
        check_limit(limit)
        labels = filter_labels(filters)
        words = await self._in_thread(query_words, query)
        return await self._read(search_words, generation, words, labels, limit)

    async def note_error(self, collection: str, key: str, version: Version, code: str, message: str) -> bool:
        error = storable_error(key, version, code, message)
        return await self._write(documents.note_error, collection, error)

    async def errors(self, collection: str, *, after: str = "", limit: int = 100) -> list[DocumentError]:
        return await self._read(documents.load_errors, collection, after, limit)

    async def counts(self, collection: str) -> CollectionCounts:
        return await self._read(catalog.count, collection)

    async def size_bytes(self) -> int | None:
        return await self._in_thread(self._database.size_bytes)

    async def _read(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], *arguments: P.args, **options: P.kwargs
    ) -> T:
        def run() -> T:
            with self._database.read() as connection:
                return work(connection, *arguments, **options)

        return await self._in_thread(run)

    async def _write(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], *arguments: P.args, **options: P.kwargs
    ) -> T:
        def run() -> T:
            with self._database.write() as connection:
                return work(connection, *arguments, **options)

        return await asyncio.get_running_loop().run_in_executor(self._writer, run)

    async def _in_thread(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, lambda: work(*arguments, **options))

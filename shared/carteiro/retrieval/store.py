"""The protocol of stores of documents."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from carteiro.retrieval.chunk import ChunkHit, EmbeddedChunk
from carteiro.retrieval.collection import Collection, CollectionCounts, Generation
from carteiro.retrieval.document import Document, DocumentError, StoredDocument, Version
from carteiro.retrieval.field_filter import FieldFilter

MAX_HITS = 1000
MAX_PAGE_CHARACTERS = 16 * 1024 * 1024
"""Characters of the documents that are read at once, if there is more than one."""


class DocumentStore(Protocol):
    """A store of collections, which several processes may use at once.

    A collection keeps its documents' texts, and the chunks of each generation. A generation for another embedding model
    is built from the stored documents (`documents(outdated_in=...)`, `build`), switched over at once (`activate`), and
    the earlier one is dropped.

    Every method may raise `DocumentStoreUnavailable`, within a bounded time, or `DocumentStoreInvalid`. Methods of a
    collection or a generation raise `CollectionUnknown` if the store does not have it.
    """

    async def open(self) -> None:
        """Connect, and create the store's tables if they are missing."""

    async def close(self) -> None:
        """Release all connections and files."""

    async def collections(self) -> list[Collection]:
        """Return all collections, by name."""

    async def collection(self, name: str) -> Collection:
        """Return a collection."""

    async def add_generation(self, generation: Generation) -> Collection:
        """Create a generation, and its collection, unless they exist. The first one of a collection is active."""

    async def activate(self, generation: Generation) -> None:
        """Make a generation the one that searches use."""

    async def drop_generation(self, generation: Generation) -> None:
        """Delete a generation's chunks. Raise `DocumentStoreInvalid` if it is the active one."""

    async def drop_collection(self, name: str) -> None:
        """Delete a collection with its documents."""

    async def write(
        self,
        collection: str,
        document: Document,
        version: Version,
        chunks: Mapping[Generation, Sequence[EmbeddedChunk]],
    ) -> bool:
        """Replace a document, and its chunks in the generations given, at once. A reader sees all of it or nothing.

        Other generations keep the chunks of the earlier version, and the document is outdated in them. Clear the
        document's error. Return False, without a change, if the stored version or deletion of the key is newer.

        Raise `VectorMissing`, or `DocumentInvalid` for vectors of another length.
        """

    async def build(self, generation: Generation, stored: StoredDocument, chunks: Sequence[EmbeddedChunk]) -> bool:
        """Replace a stored document's chunks in one generation at once.

        Return False, without a change, if the store has another version of the document. Raise as `write`.
        """

    async def delete(self, collection: str, key: str, version: Version) -> bool:
        """Delete a document, its chunks and its error. The version stays, so that an older write does not restore it.

        Return False, without a change, if the stored version of the key is newer.
        """

    async def document(self, collection: str, key: str) -> StoredDocument | None:
        """Return a document with its text; None if no document has the key."""

    async def lookup(self, collection: str, key: str) -> tuple[Collection, Version | None]:
        """Return a collection, and the version of a document in it, or of its deletion.

        The version is None if the key was never written.
        """

    async def documents(
        self, collection: str, *, after: str = "", limit: int = 16, outdated_in: Generation | None = None
    ) -> list[StoredDocument]:
        """Return up to `limit` documents after that of the key `after`, in an order of the store's own.

        There are fewer, but at least one, if their texts are long: together about `MAX_PAGE_CHARACTERS`.
        `outdated_in` leaves out those whose stored version is in a generation.
        """

    async def known_hashes(self, generation: Generation, key: str) -> frozenset[str]:
        """Return the hashes of a document's chunks that have a vector in a generation."""

    async def search_vectors(
        self, generation: Generation, vector: Sequence[float], filters: FieldFilter | None = None, limit: int = 10
    ) -> list[ChunkHit]:
        """Return up to `limit` chunks by cosine similarity, best first, of documents that fit the filter.

        Raise `SearchInvalid` for a vector of another length, a filter over its limits, or a limit below 1 or above
        `MAX_HITS`.
        """

    async def search_words(
        self, generation: Generation, query: str, filters: FieldFilter | None = None, limit: int = 10
    ) -> list[ChunkHit]:
        """Return up to `limit` chunks with words of the query, best first, of documents that fit the filter.

        Case and accents do not count. The query is plain text: it has no operators. Raise `SearchInvalid` for a filter
        or a limit.
        """

    async def note_error(self, collection: str, key: str, version: Version, code: str, message: str) -> bool:
        """Keep the reason why a version of a document is not stored. The earlier version of the document stays.

        Return False, without a change, if the stored version of the key is newer.
        """

    async def errors(self, collection: str, *, after: str = "", limit: int = 100) -> list[DocumentError]:
        """Return up to `limit` errors after that of the key `after`, in an order of the store's own."""

    async def counts(self, collection: str) -> CollectionCounts:
        """Return the numbers of a collection's documents, chunks and errors."""

    async def size_bytes(self) -> int | None:
        """Return the bytes that the whole store takes; None if the store does not tell."""

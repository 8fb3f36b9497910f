"""Documents in PostgreSQL: their texts, fields and versions."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from carteiro.retrieval.collection import Generation
from carteiro.retrieval.document import Document, DocumentError, StoredDocument, Version, check_key
from carteiro.retrieval.errors import CollectionUnknown
from carteiro.retrieval.field_filter import field_labels
from carteiro.retrieval.store import MAX_PAGE_CHARACTERS
from carteiro.retrieval.stores.postgres.catalog import (
    UNKNOWN_COLLECTION,
    collection_row,
    fetch,
    generation_row,
    load_collection,
    read_generation,
    select_generation,
)
from carteiro.retrieval.stores.postgres.chunks import ChunkRow, write_chunks
from carteiro.retrieval.stores.postgres.schema import chunks_table

_VERSION = 'topic, partition, "offset", timestamp'
_DOCUMENT = f"d.key, text, title, uri, fields, page_starts, {_VERSION}"


async def write_document(
    connection: AsyncConnection,
    collection: str,
    document: Document,
    version: Version,
    chunks: Mapping[Generation, Sequence[ChunkRow]],
) -> bool:
    """Replace a document and its chunks in generations. Return False if the stored version is newer.

    A pipelined transaction waits for the server twice: for what it has, and for the changes.
    """
    generations = [await select_generation(connection, each) for each in chunks]
    locked = await _lock_row(connection, collection, document.key, version)
    if locked is None:
        return False
    await _replace(connection, locked, version, document)
    for selected, rows in zip(generations, chunks.values(), strict=True):
        generation, is_new = await read_generation(selected), locked.revision == 1
        await write_chunks(connection, generation, locked.row, locked.revision, rows, is_new=is_new)
    return True


async def build_document(
    connection: AsyncConnection, generation: Generation, stored: StoredDocument, rows: Sequence[ChunkRow]
) -> bool:
    """Replace a document's chunks in a generation. Return False if the document has another version, or is deleted."""
    row = await generation_row(connection, generation)
    found = await _lock(connection, await collection_row(connection, generation.collection), stored.document.key)
    if found is None or found[1] or Version(*found[3:]) != stored.version:
        return False
    await write_chunks(connection, row, found[0], found[2], rows)
    return True


async def delete_document(connection: AsyncConnection, collection: str, key: str, version: Version) -> bool:
    """Delete a document with all that belongs to it but its version. Return False if the stored version is newer."""
    check_key(key)
    await load_collection(connection, collection)  # No generation is dropped before the transaction ends.
    locked = await _lock_row(connection, collection, key, version)
    if locked is None:
        return False
    await _replace(connection, locked, version, None)
    generations = await fetch(
        connection, "SELECT id FROM carteiro.generations WHERE collection = %s FOR KEY SHARE", [locked.collection]
    )
    for (generation,) in generations:
        await connection.execute(f"DELETE FROM {chunks_table(generation)} WHERE document = %s".encode(), [locked.row])
    await connection.execute("DELETE FROM carteiro.builds WHERE document = %s", [locked.row])
    return True


async def _lock(connection: AsyncConnection, collection: int, key: str) -> tuple[Any, ...] | None:
    """Lock a document's row, and return its id, True if it is deleted, its revision and its version."""
    found = await fetch(
        connection,
        f"SELECT id, deleted, revision, {_VERSION} FROM carteiro.documents"
        " WHERE collection = %s AND key = %s FOR NO KEY UPDATE",
        [collection, key],
    )
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class _LockedRow:
    """A locked document's row, its key and collection, and its revision after the change."""

    row: int
    key: str
    collection: int
    revision: int


async def _lock_row(connection: AsyncConnection, collection: str, key: str, version: Version) -> _LockedRow | None:
    """Lock the row of a document, which may be new. Return None if the stored version is newer.

    Other writers of the document wait until this transaction ends. Raise `CollectionUnknown`.
    """
    found = await fetch(
        connection,
        "INSERT INTO carteiro.documents AS d (collection, key) SELECT id, %s FROM carteiro.collections WHERE name = %s"
        # An update without a change locks the row, and returns it.
        " ON CONFLICT (collection, key) DO UPDATE SET revision = d.revision"
        f" RETURNING id, collection, revision, {_VERSION}",
        [key, collection],
    )
    if not found:
        raise CollectionUnknown(UNKNOWN_COLLECTION)
    row, number, revision, *stored = found[0]
    is_newer = revision > 0 and not version.supersedes(Version(*stored))
    return None if is_newer else _LockedRow(row, key, number, revision + 1)


async def _replace(
    connection: AsyncConnection, locked: _LockedRow, version: Version, document: Document | None
) -> None:
    """Give a document a new version and new contents, or none if it is deleted. Delete its error."""
    shown = document or Document("deleted", "")
    await connection.execute(
        "WITH fixed AS (DELETE FROM carteiro.errors WHERE collection = %s AND key = %s)"
        " UPDATE carteiro.documents SET deleted = %s, revision = %s, topic = %s, partition = %s,"
        ' "offset" = %s, timestamp = %s, title = %s, uri = %s, fields = %s, labels = %s, page_starts = %s, text = %s'
        " WHERE id = %s",
        [
            locked.collection,
            locked.key,
            document is None,
            locked.revision,
            version.topic,
            version.partition,
            version.offset,
            version.timestamp,
            shown.title,
            shown.uri,
            Jsonb(dict(shown.fields)),
            field_labels(shown.fields),
            list(shown.page_starts),
            shown.text,
            locked.row,
        ],
    )


async def load_document(connection: AsyncConnection, collection_name: str, key: str) -> StoredDocument | None:
    """Return a document; None if it is not there, or deleted."""
    found = await fetch(
        connection,
        f"SELECT {_DOCUMENT} FROM carteiro.documents d WHERE collection = %s AND key = %s AND NOT deleted",
        [await collection_row(connection, collection_name), key],
    )
    return await asyncio.to_thread(_stored, *found[0]) if found else None


async def load_documents(
    connection: AsyncConnection, collection_name: str, after: str, limit: int, outdated_in: Generation | None
) -> list[StoredDocument]:
    """Return documents in the order of their keys, without those whose version is in the generation `outdated_in`."""
    collection = await collection_row(connection, collection_name)
    generation = await generation_row(connection, outdated_in) if outdated_in else None
    page = await fetch(
        connection,
        "SELECT id, length(text) FROM carteiro.documents d WHERE collection = %s AND key > %s AND NOT deleted"
        " AND (%s::bigint IS NULL OR NOT EXISTS (SELECT 1 FROM carteiro.builds b"
        "  WHERE b.document = d.id AND b.generation = %s AND b.revision = d.revision)) ORDER BY key LIMIT %s",
        [collection, after, generation, generation, limit],
    )
    before = itertools.accumulate((length for _, length in page), initial=0)
    rows = [row for (row, _), characters in zip(page, before, strict=False) if characters < MAX_PAGE_CHARACTERS]
    found = await fetch(
        connection, f"SELECT {_DOCUMENT} FROM carteiro.documents d WHERE id = ANY(%s) ORDER BY key", [rows]
    )
    return await asyncio.to_thread(lambda: [_stored(*each) for each in found])


def _stored(
    key: str, text: str, title: str, uri: str, fields: dict[str, Any], page_starts: list[int], *version: Any
) -> StoredDocument:
    return StoredDocument(Document(key, text, title, uri, fields, tuple(page_starts)), Version(*version))


async def note_error(connection: AsyncConnection, collection_name: str, error: DocumentError) -> bool:
    """Keep the error of a document. Return False if the stored version is newer."""
    version = error.version
    # A document that is written meanwhile would keep the error of its earlier version.
    locked = await _lock_row(connection, collection_name, error.key, version)
    if locked is None:
        return False
    noted = await fetch(
        connection,
        f"SELECT {_VERSION} FROM carteiro.errors WHERE collection = %s AND key = %s",
        [locked.collection, error.key],
    )
    if not all(version.supersedes(Version(*each)) for each in noted):
        return False
    await connection.execute(
        f"INSERT INTO carteiro.errors (collection, key, {_VERSION}, code, message)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (collection, key) DO UPDATE SET topic = excluded.topic,"
        ' partition = excluded.partition, "offset" = excluded."offset", timestamp = excluded.timestamp,'
        " code = excluded.code, message = excluded.message".encode(),
        [
            locked.collection,
            error.key,
            version.topic,
            version.partition,
            version.offset,
            version.timestamp,
            error.code,
            error.message,
        ],
    )
    return True


async def load_errors(connection: AsyncConnection, collection_name: str, after: str, limit: int) -> list[DocumentError]:
    """Return errors in the order of their keys."""
    found = await fetch(
        connection,
        f"SELECT key, {_VERSION}, code, message FROM carteiro.errors WHERE collection = %s AND key > %s"
        " ORDER BY key LIMIT %s",
        [await collection_row(connection, collection_name), after, limit],
    )
    return [DocumentError(key, Version(*version), code, message) for key, *version, code, message in found]

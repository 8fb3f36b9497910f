"""Documents in the file: their texts, fields and versions."""

import json
import sqlite3
from collections.abc import Sequence

from carteiro.retrieval.chunk import EmbeddedChunk
from carteiro.retrieval.collection import Generation
from carteiro.retrieval.document import Document, DocumentError, StoredDocument, Version, check_key
from carteiro.retrieval.field_filter import field_labels
from carteiro.retrieval.store import MAX_PAGE_CHARACTERS
from carteiro.retrieval.stores.sqlite.catalog import collection_row, generation_row
from carteiro.retrieval.stores.sqlite.chunks import delete_chunks, write_chunks

_VERSION = 'topic, partition, "offset", timestamp'
_DOCUMENT = f"documents.key, text, title, uri, fields, page_starts, {_VERSION}"


def load_version(connection: sqlite3.Connection, collection: int, key: str) -> Version | None:
    """Return the version of a document, or of its deletion; None if the key was never written."""
    found = connection.execute(
        f"SELECT {_VERSION} FROM documents WHERE collection = ? AND key = ?", [collection, key]
    ).fetchone()
    return Version(*found) if found else None


def write_document(
    connection: sqlite3.Connection,
    document: Document,
    version: Version,
    chunks: dict[Generation, Sequence[EmbeddedChunk]],
    collection_name: str,
) -> bool:
    """Replace a document and its chunks in generations. Return False if the stored version is newer."""
    collection = collection_row(connection, collection_name)
    row = _claim(connection, collection, document.key, version, is_deleted=False)
    if row is None:
        return False
    connection.execute(
        "UPDATE documents SET title = ?, uri = ?, fields = ?, page_starts = ?, text = ? WHERE id = ?",
        [
            document.title,
            document.uri,
            json.dumps(dict(document.fields)),
            json.dumps(document.page_starts),
            document.text,
            row,
        ],
    )
    connection.execute("DELETE FROM labels WHERE document = ?", [row])
    connection.executemany(
        "INSERT INTO labels (label, document) VALUES (?, ?)", [(label, row) for label in field_labels(document.fields)]
    )
    for generation, embedded in chunks.items():
        write_chunks(connection, generation_row(connection, generation), row, embedded)
    return True


def build_document(
    connection: sqlite3.Connection, generation: Generation, stored: StoredDocument, chunks: Sequence[EmbeddedChunk]
) -> bool:
    """Replace a document's chunks in a generation. Return False if the document has another version, or is deleted."""
    row = generation_row(connection, generation)
    found = connection.execute(
        f"SELECT id, {_VERSION} FROM documents WHERE collection = ? AND key = ? AND NOT deleted",
        [collection_row(connection, generation.collection), stored.document.key],
    ).fetchone()
    if found is None or Version(*found[1:]) != stored.version:
        return False
    write_chunks(connection, row, found[0], chunks)
    return True


def delete_document(connection: sqlite3.Connection, collection_name: str, key: str, version: Version) -> bool:
    """Delete a document with all that belongs to it but its version. Return False if the stored version is newer."""
    check_key(key)
    collection = collection_row(connection, collection_name)
    row = _claim(connection, collection, key, version, is_deleted=True)
    if row is None:
        return False
    for (generation,) in connection.execute("SELECT id FROM generations WHERE collection = ?", [collection]).fetchall():
        delete_chunks(connection, generation, row)
    connection.execute("DELETE FROM labels WHERE document = ?", [row])
    connection.execute("DELETE FROM builds WHERE document = ?", [row])
    return True


def _claim(
    connection: sqlite3.Connection, collection: int, key: str, version: Version, *, is_deleted: bool
) -> int | None:
    """Give a document a new version, and delete its error. Return its row; None if the stored version is newer."""
    stored = load_version(connection, collection, key)
    if stored is not None and not version.supersedes(stored):
        return None
    connection.execute("DELETE FROM errors WHERE collection = ? AND key = ?", [collection, key])
    (row,) = connection.execute(
        f"INSERT INTO documents (collection, key, deleted, revision, {_VERSION}, title, uri, fields, page_starts, text)"
        " VALUES (?, ?, ?, 1, ?, ?, ?, ?, '', '', '{}', '[]', '')"
        " ON CONFLICT (collection, key) DO UPDATE SET deleted = excluded.deleted, revision = revision + 1,"
        ' topic = excluded.topic, partition = excluded.partition, "offset" = excluded."offset",'
        " timestamp = excluded.timestamp, title = '', uri = '', fields = '{}', page_starts = '[]', text = ''"
        " RETURNING id",
        [collection, key, is_deleted, version.topic, version.partition, version.offset, version.timestamp],
    ).fetchone()
    return int(row)


def load_document(connection: sqlite3.Connection, collection_name: str, key: str) -> StoredDocument | None:
    """Return a document; None if it is not there, or deleted."""
    found = connection.execute(
        f"SELECT {_DOCUMENT} FROM documents WHERE collection = ? AND key = ? AND NOT deleted",
        [collection_row(connection, collection_name), key],
    ).fetchone()
    return _stored(*found) if found else None


def load_documents(
    connection: sqlite3.Connection, collection_name: str, after: str, limit: int, outdated_in: Generation | None
) -> list[StoredDocument]:
    """Return documents in the order of their keys, without those whose version is in the generation `outdated_in`."""
    generation = generation_row(connection, outdated_in) if outdated_in else None
    found = connection.execute(
        f"SELECT {_DOCUMENT} FROM documents LEFT JOIN builds ON builds.document = documents.id AND generation = ?"
        " WHERE collection = ? AND documents.key > ? AND NOT deleted"
        " AND (? IS NULL OR builds.revision IS NOT documents.revision) ORDER BY documents.key LIMIT ?",
        [generation, collection_row(connection, collection_name), after, generation, limit],
    )
    documents: list[StoredDocument] = []
    characters = 0
    for each in found:
        documents.append(_stored(*each))
        characters += len(documents[-1].document.text)
        if characters >= MAX_PAGE_CHARACTERS:
            break
    return documents


def _stored(
    key: str, text: str, title: str, uri: str, fields: str, page_starts: str, *version: object
) -> StoredDocument:
    document = Document(key, text, title, uri, json.loads(fields), tuple(json.loads(page_starts)))
    return StoredDocument(document, Version(*version))  # type: ignore[arg-type]


def note_error(connection: sqlite3.Connection, collection_name: str, error: DocumentError) -> bool:
    """Keep the error of a document. Return False if the stored version is newer."""
    collection = collection_row(connection, collection_name)
    stored = load_version(connection, collection, error.key)
    noted = connection.execute(
        f"SELECT {_VERSION} FROM errors WHERE collection = ? AND key = ?", [collection, error.key]
    ).fetchone()
    known = [each for each in (stored, Version(*noted) if noted else None) if each is not None]
    if not all(map(error.version.supersedes, known)):
        return False
    version = error.version
    connection.execute(
        f"INSERT OR REPLACE INTO errors (collection, key, {_VERSION}, code, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            collection,
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


def load_errors(connection: sqlite3.Connection, collection_name: str, after: str, limit: int) -> list[DocumentError]:
    """Return errors in the order of their keys."""
    found = connection.execute(
        f"SELECT key, {_VERSION}, code, message FROM errors WHERE collection = ? AND key > ? ORDER BY key LIMIT ?",
        [collection_row(connection, collection_name), after, limit],
    )
    return [DocumentError(key, Version(*version), code, message) for key, *version, code, message in found]

"""Collections and generations in the file."""

import sqlite3

from carteiro.retrieval.collection import (
    Collection,
    CollectionCounts,
    EmbeddingSettings,
    Generation,
    check_collection_name,
)
from carteiro.retrieval.errors import CollectionUnknown, DocumentStoreInvalid
from carteiro.retrieval.stores.sqlite.schema import create_words, drop_words


def collection_row(connection: sqlite3.Connection, name: str) -> int:
    """Return the row of a collection. Raise `CollectionUnknown`."""
    found = connection.execute("SELECT id FROM collections WHERE name = ?", [name]).fetchone()
    if found is None:
        raise CollectionUnknown("the store has no collection of this name")
    return int(found[0])


def generation_row(connection: sqlite3.Connection, generation: Generation) -> int:
    """Return the row of a generation. Raise `CollectionUnknown`."""
    found = connection.execute(
        "SELECT generations.id FROM generations JOIN collections ON collections.id = collection"
        " WHERE collections.name = ? AND generations.name = ?",
        [generation.collection, generation.id],
    ).fetchone()
    if found is None:
        raise CollectionUnknown("the store has no collection of this name with vectors of this model")
    return int(found[0])


def list_collections(connection: sqlite3.Connection) -> list[Collection]:
    """Return all collections, by name."""
    names = connection.execute("SELECT name FROM collections ORDER BY name").fetchall()
    return [load_collection(connection, name) for (name,) in names]


def load_collection(connection: sqlite3.Connection, name: str) -> Collection:
    """Return a collection. Raise `CollectionUnknown`."""
    row = collection_row(connection, name)
    generations: list[Generation] = []
    active = None
    for is_active, *settings in connection.execute(
        "SELECT generations.id = active, model, dimensions, max_tokens, overlap_tokens FROM generations"
        " JOIN collections ON collections.id = collection WHERE collection = ? ORDER BY generations.id",
        [row],
    ):
        generations.append(Generation(name, EmbeddingSettings(*settings)))
        active = generations[-1] if is_active else active
    return Collection(name, tuple(generations), active)


def add_generation(connection: sqlite3.Connection, generation: Generation) -> Collection:
    """Create a generation, and its collection, unless they exist. The first one of a collection is active."""
    check_collection_name(generation.collection)
    connection.execute("INSERT INTO collections (name) VALUES (?) ON CONFLICT DO NOTHING", [generation.collection])
    collection, settings = collection_row(connection, generation.collection), generation.embedding
    added = connection.execute(
        "INSERT INTO generations (collection, name, model, dimensions, max_tokens, overlap_tokens)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
        [
            collection,
            generation.id,
            settings.model,
            settings.dimensions,
            settings.max_tokens,
            settings.overlap_tokens,
        ],
    ).fetchone()
    if added is not None:
        create_words(connection, added[0])
        connection.execute("UPDATE collections SET active = ? WHERE id = ? AND active IS NULL", [added[0], collection])
    return load_collection(connection, generation.collection)


def activate(connection: sqlite3.Connection, generation: Generation) -> None:
    """Make a generation the one that searches use."""
    row = generation_row(connection, generation)
    connection.execute("UPDATE collections SET active = ? WHERE name = ?", [row, generation.collection])


def drop_generation(connection: sqlite3.Connection, generation: Generation) -> None:
    """Delete a generation. Raise `DocumentStoreInvalid` if it is the active one."""
    row = generation_row(connection, generation)
    if connection.execute("SELECT 1 FROM collections WHERE active = ?", [row]).fetchone():
        raise DocumentStoreInvalid("the generation is in use: activate another one of the collection first")
    drop_words(connection, row)
    connection.execute("DELETE FROM generations WHERE id = ?", [row])


def drop_collection(connection: sqlite3.Connection, name: str) -> None:
    """Delete a collection with its documents."""
    collection = collection_row(connection, name)
    rows = connection.execute("SELECT id FROM generations WHERE collection = ?", [collection]).fetchall()
    for (row,) in rows:
        drop_words(connection, row)
    connection.execute("DELETE FROM collections WHERE id = ?", [collection])


def count(connection: sqlite3.Connection, name: str) -> CollectionCounts:
    """Return the numbers of a collection's documents, chunks and errors."""
    row = collection_row(connection, name)
    documents, errors = connection.execute(
        "SELECT (SELECT count(*) FROM documents WHERE collection = :row AND NOT deleted),"
        " (SELECT count(*) FROM errors WHERE collection = :row)",
        {"row": row},
    ).fetchone()
    chunks, outdated = {}, {}
    for generation, number, built in connection.execute(
        "SELECT name, chunks, (SELECT count(*) FROM builds JOIN documents ON documents.id = document"
        "  WHERE generation = generations.id AND builds.revision = documents.revision AND NOT deleted)"
        " FROM generations WHERE collection = ?",
        [row],
    ):
        chunks[generation], outdated[generation] = number, documents - built
    return CollectionCounts(documents, errors, chunks, outdated)

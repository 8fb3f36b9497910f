"""Collections and generations in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection, AsyncCursor

from carteiro.retrieval.collection import (
    Collection,
    CollectionCounts,
    EmbeddingSettings,
    Generation,
    check_collection_name,
)
from carteiro.retrieval.document import Version
from carteiro.retrieval.errors import CollectionUnknown, DocumentStoreInvalid
from carteiro.retrieval.stores.postgres.schema import chunks_table, create_chunks

UNKNOWN_COLLECTION = "the store has no collection of this name"


async def fetch(connection: AsyncConnection, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return all rows of a query. It is put together of names of ours; all else is a parameter."""
    return await (await connection.execute(query.encode(), parameters)).fetchall()


async def collection_row(connection: AsyncConnection, name: str) -> int:
    """Return the row of a collection. Raise `CollectionUnknown`."""
    found = await fetch(connection, "SELECT id FROM carteiro.collections WHERE name = %s", [name])
    if not found:
        raise CollectionUnknown(UNKNOWN_COLLECTION)
    return int(found[0][0])


async def select_generation(connection: AsyncConnection, generation: Generation) -> AsyncCursor:
    """Ask for the row of a generation, which is not dropped before the transaction ends."""
    return await connection.execute(
        "SELECT g.id FROM carteiro.generations g JOIN carteiro.collections c ON c.id = g.collection"
        " WHERE c.name = %s AND g.name = %s FOR KEY SHARE OF g",
        [generation.collection, generation.id],
    )


async def read_generation(selected: AsyncCursor) -> int:
    """Return the row of a generation that was asked for. Raise `CollectionUnknown`."""
    if (found := await selected.fetchone()) is None:
        raise CollectionUnknown("the store has no collection of this name with vectors of this model")
    return int(found[0])


async def generation_row(connection: AsyncConnection, generation: Generation) -> int:
    """Return the row of a generation, which is not dropped before the transaction ends. Raise `CollectionUnknown`."""
    return await read_generation(await select_generation(connection, generation))


async def list_collections(connection: AsyncConnection) -> list[Collection]:
    """Return all collections, by name."""
    names = await fetch(connection, 'SELECT name FROM carteiro.collections ORDER BY name COLLATE "C"')
    return [await load_collection(connection, name) for (name,) in names]


async def load_collection(connection: AsyncConnection, name: str) -> Collection:
    """Return a collection. Raise `CollectionUnknown`."""
    return (await read_collection(await select_collection(connection, name), name))[0]


async def select_collection(connection: AsyncConnection, name: str, key: str = "") -> AsyncCursor:
    """Ask for a collection, and for the version of a document in it."""
    return await connection.execute(
        'SELECT d.topic, d.partition, d."offset", d.timestamp, g.id = c.active, model, dimensions, max_tokens,'
        " overlap_tokens FROM carteiro.collections c LEFT JOIN carteiro.generations g ON g.collection = c.id"
        " LEFT JOIN carteiro.documents d ON d.collection = c.id AND d.key = %s AND d.revision > 0"
        " WHERE c.name = %s ORDER BY g.id",
        [key, name],
    )


async def read_collection(selected: AsyncCursor, name: str) -> tuple[Collection, Version | None]:
    """Return a collection that was asked for, and the version of the document, or of its deletion.

    It is None if the key was never written. Raise `CollectionUnknown`.
    """
    found = await selected.fetchall()
    if not found:
        raise CollectionUnknown(UNKNOWN_COLLECTION)
    # A collection without generations is a row without settings.
    generations = [Generation(name, EmbeddingSettings(*each[5:])) for each in found if each[5] is not None]
    active = next((own for own, each in zip(generations, found, strict=False) if each[4]), None)
    return Collection(name, tuple(generations), active), None if found[0][0] is None else Version(*found[0][:4])


async def add_generation(connection: AsyncConnection, generation: Generation) -> Collection:
    """Create a generation, and its collection, unless they exist. The first one of a collection is active."""
    check_collection_name(generation.collection)
    await connection.execute(
        "INSERT INTO carteiro.collections (name) VALUES (%s) ON CONFLICT DO NOTHING", [generation.collection]
    )
    collection, settings = await collection_row(connection, generation.collection), generation.embedding
    added = await fetch(
        connection,
        "INSERT INTO carteiro.generations (collection, name, model, dimensions, max_tokens, overlap_tokens)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id",
        [
            collection,
            generation.id,
            settings.model,
            settings.dimensions,
            settings.max_tokens,
            settings.overlap_tokens,
        ],
    )
    if added:
        await create_chunks(connection, added[0][0], settings.dimensions)
        await connection.execute(
            "UPDATE carteiro.collections SET active = %s WHERE id = %s AND active IS NULL", [added[0][0], collection]
        )
    return await load_collection(connection, generation.collection)


async def activate(connection: AsyncConnection, generation: Generation) -> None:
    """Make a generation the one that searches use."""
    row = await generation_row(connection, generation)
    await connection.execute(
        "UPDATE carteiro.collections SET active = %s WHERE name = %s", [row, generation.collection]
    )


async def drop_generation(connection: AsyncConnection, generation: Generation) -> None:
    """Delete a generation. Raise `DocumentStoreInvalid` if it is the active one."""
    await _lock_generations(connection)
    row = await generation_row(connection, generation)
    if await fetch(connection, "SELECT 1 FROM carteiro.collections WHERE active = %s", [row]):
        raise DocumentStoreInvalid("the generation is in use: activate another one of the collection first")
    await connection.execute("DELETE FROM carteiro.generations WHERE id = %s", [row])
    await connection.execute(f"DROP TABLE {chunks_table(row)}".encode())


async def drop_collection(connection: AsyncConnection, name: str) -> None:
    """Delete a collection with its documents."""
    await _lock_generations(connection)
    collection = await collection_row(connection, name)
    rows = await fetch(connection, "DELETE FROM carteiro.generations WHERE collection = %s RETURNING id", [collection])
    for (row,) in rows:
        await connection.execute(f"DROP TABLE {chunks_table(row)}".encode())
    await connection.execute("DELETE FROM carteiro.collections WHERE id = %s", [collection])


async def _lock_generations(connection: AsyncConnection) -> None:
    """Wait until no other transaction uses a generation.

    The deletion of a table of chunks locks the documents too. A transaction that uses both reads the generations first:
    otherwise each of the two could wait for the other.
    """
    await connection.execute("LOCK TABLE carteiro.generations")


async def count(connection: AsyncConnection, name: str) -> CollectionCounts:
    """Return the numbers of a collection's documents, chunks and errors."""
    row = await collection_row(connection, name)
    generations = await fetch(
        connection,
        "SELECT g.id, name, (SELECT count(*) FROM carteiro.builds b JOIN carteiro.documents d ON d.id = b.document"
        "  WHERE b.generation = g.id AND b.revision = d.revision AND NOT d.deleted)"
        " FROM carteiro.generations g WHERE collection = %s",
        [row],
    )
    ((documents, errors),) = await fetch(
        connection,
        "SELECT (SELECT count(*) FROM carteiro.documents WHERE collection = %s AND NOT deleted),"
        " (SELECT count(*) FROM carteiro.errors WHERE collection = %s)",
        [row, row],
    )
    chunks, outdated = {}, {}
    for generation, generation_name, built in generations:
        ((number,),) = await fetch(connection, f"SELECT count(*) FROM {chunks_table(generation)}")
        chunks[generation_name], outdated[generation_name] = number, documents - built
    return CollectionCounts(documents, errors, chunks, outdated)

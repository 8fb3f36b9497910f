"""Chunks in PostgreSQL, with their vectors and words."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection

from carteiro.retrieval.chunk import EmbeddedChunk
from carteiro.retrieval.errors import VectorMissing
from carteiro.retrieval.stores.postgres.catalog import fetch
from carteiro.retrieval.stores.postgres.schema import chunks_table
from carteiro.retrieval.stores.validation import unit_vector
from carteiro.retrieval.words import words_of

_MAX_WORDS_BYTES = 512 * 1024
"""Largest index of a chunk's words: PostgreSQL takes 1 MiB."""
_MAX_POSITION = 16_383
_MAX_POSITIONS = 255


async def write_chunks(
    connection: AsyncConnection, generation: int, document: int, embedded: Sequence[EmbeddedChunk]
) -> None:
    """Replace a document's chunks in a generation. Raise `VectorMissing`."""
    table = chunks_table(generation)
    vectors: dict[str, str] = {}
    if any(each.vector is None for each in embedded):
        stored = await fetch(connection, f"SELECT hash, vector::text FROM {table} WHERE document = %s", [document])
        vectors = {str(hash_): str(vector) for hash_, vector in stored}
    rows = await asyncio.to_thread(_rows, document, embedded, vectors)
    await connection.execute(f"DELETE FROM {table} WHERE document = %s".encode(), [document])
    async with connection.cursor() as cursor:
        await cursor.executemany(
            f'INSERT INTO {table} (document, number, start, "end", page, heading, hash, words, vector, text)'
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s::tsvector, %s::vector, %s)".encode(),
            rows,
        )
    await connection.execute(
        "INSERT INTO carteiro.builds (generation, document, revision)"
        " SELECT %s, id, revision FROM carteiro.documents WHERE id = %s"
        " ON CONFLICT (document, generation) DO UPDATE SET revision = excluded.revision",
        [generation, document],
    )


def _rows(document: int, embedded: Sequence[EmbeddedChunk], vectors: Mapping[str, str]) -> list[tuple[Any, ...]]:
    try:
        return [
            (
                document,
                each.chunk.number,
                each.chunk.start,
                each.chunk.end,
                each.chunk.page,
                each.chunk.heading,
                each.chunk.hash,
                words_literal(words_of(each.chunk.embedded_text)),
                vectors[each.chunk.hash] if each.vector is None else vector_literal(unit_vector(each.vector)),
                each.chunk.text,
            )
            for each in embedded
        ]
    except KeyError:
        raise VectorMissing("a chunk has no vector, here or in the store") from None


async def load_hashes(connection: AsyncConnection, generation: int, collection: int, key: str) -> frozenset[str]:
    """Return the hashes of a document's chunks in a generation."""
    found = await fetch(
        connection,
        f"SELECT hash FROM {chunks_table(generation)} c JOIN carteiro.documents d ON d.id = c.document"
        " WHERE d.collection = %s AND d.key = %s",
        [collection, key],
    )
    return frozenset(hash_ for (hash_,) in found)


def vector_literal(vector: Iterable[float]) -> str:
    """Return a vector as pgvector reads it."""
    return f"[{','.join(map(repr, map(float, vector)))}]"


def words_literal(words: Iterable[str]) -> str:
    """Return words with their positions as PostgreSQL reads a `tsvector`, without the last ones if it is too large."""
    positions: dict[str, list[int]] = {}
    size = 0
    for position, word in enumerate(words, 1):
        places = positions.setdefault(word, [])
        if not places:
            size += len(word.encode()) + 16
            if size > _MAX_WORDS_BYTES:
                del positions[word]
                break
        if len(places) < _MAX_POSITIONS:
            places.append(min(position, _MAX_POSITION))
    return " ".join(f"'{word}':{','.join(map(str, dict.fromkeys(places)))}" for word, places in positions.items())

"""Chunks in PostgreSQL, with their vectors and words."""

import itertools
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, adapters
from psycopg.adapt import Dumper
from psycopg.pq import Format

from carteiro.retrieval.chunk import Chunk, EmbeddedChunk
from carteiro.retrieval.errors import VectorMissing
from carteiro.retrieval.stores.postgres.catalog import fetch
from carteiro.retrieval.stores.postgres.schema import chunks_table
from carteiro.retrieval.stores.validation import unit_vector
from carteiro.retrieval.words import words_of

_ROWS_AT_ONCE = 100
"""Chunks of one statement: each statement wakes the server, which costs more than most of them do."""
_MAX_WORDS_BYTES = 512 * 1024
"""Largest index of a chunk's words: PostgreSQL takes 1 MiB."""
_MAX_POSITION = 16_383
_MAX_POSITIONS = 255


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk, its words as PostgreSQL reads them, and its vector; None for the stored one of its hash."""

    chunk: Chunk
    words: str
    vector: "Vector | None"


def chunk_rows(embedded: Sequence[EmbeddedChunk]) -> list[ChunkRow]:
    """Return the rows of chunks."""
    return [
        ChunkRow(
            each.chunk,
            words_literal(words_of(each.chunk.embedded_text)),
            None if each.vector is None else Vector(unit_vector(each.vector)),
        )
        for each in embedded
    ]


async def write_chunks(
    connection: AsyncConnection,
    generation: int,
    document: int,
    revision: int,
    rows: Sequence[ChunkRow],
    *,
    is_new: bool = False,
) -> None:
    """Replace a document's chunks in a generation by those of a revision. A new document has none yet.

    Raise `VectorMissing`.
    """
    table = chunks_table(generation)
    vectors: dict[str, Vector] = {}
    if any(each.vector is None for each in rows):
        stored = await fetch(connection, f"SELECT hash, vector::real[] FROM {table} WHERE document = %s", [document])
        vectors = {str(hash_): Vector(vector) for hash_, vector in stored}
    if not is_new:
        await connection.execute(f"DELETE FROM {table} WHERE document = %s".encode(), [document])
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        columns = [_columns(document, each, vectors) for each in rows[first : first + _ROWS_AT_ONCE]]
        values = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s::tsvector, %s::vector, %s)"] * len(columns))
        await connection.execute(
            f'INSERT INTO {table} (document, number, start, "end", page, heading, hash, words, vector, text)'
            f" VALUES {values}".encode(),
            list(itertools.chain.from_iterable(columns)),
        )
    await connection.execute(
        "INSERT INTO carteiro.builds (generation, document, revision) VALUES (%s, %s, %s)"
        " ON CONFLICT (document, generation) DO UPDATE SET revision = excluded.revision",
        [generation, document, revision],
    )


def _columns(document: int, row: ChunkRow, vectors: "Mapping[str, Vector]") -> tuple[Any, ...]:
    chunk = row.chunk
    if (vector := row.vector or vectors.get(chunk.hash)) is None:
        raise VectorMissing("a chunk has no vector, here or in the store")
    where = (document, chunk.number, chunk.start, chunk.end, chunk.page, chunk.heading, chunk.hash)
    return (*where, row.words, vector, chunk.text)


async def load_hashes(connection: AsyncConnection, generation: int, collection: int, key: str) -> frozenset[str]:
    """Return the hashes of a document's chunks in a generation."""
    found = await fetch(
        connection,
        f"SELECT hash FROM {chunks_table(generation)} c JOIN carteiro.documents d ON d.id = c.document"
        " WHERE d.collection = %s AND d.key = %s",
        [collection, key],
    )
    return frozenset(hash_ for (hash_,) in found)


class Vector(bytes):
    """A vector in pgvector's binary format: a text of it takes longer to write and to read than all else of a chunk."""

    def __new__(cls, numbers: Sequence[float]) -> "Vector":
        """Return numbers as numbers of 4 bytes."""
        return super().__new__(cls, struct.pack(f">2H{len(numbers)}f", len(numbers), 0, *numbers))


class _VectorDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Vector) -> Vector:
        return obj


adapters.register_dumper(Vector, _VectorDumper)


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

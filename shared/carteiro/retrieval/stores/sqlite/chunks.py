"""Chunks in the file, with their vectors and words."""

import sqlite3
from array import array
from collections.abc import Sequence

from carteiro.retrieval.chunk import EmbeddedChunk
from carteiro.retrieval.errors import VectorMissing
from carteiro.retrieval.stores.sqlite.schema import words_table
from carteiro.retrieval.stores.validation import unit_vector
from carteiro.retrieval.words import words_of


def write_chunks(
    connection: sqlite3.Connection, generation: int, document: int, embedded: Sequence[EmbeddedChunk]
) -> None:
    """Replace a document's chunks in a generation. Raise `VectorMissing`."""
    vectors = dict(
        connection.execute(
            "SELECT hash, vector FROM chunks WHERE document = ? AND generation = ?", [document, generation]
        )
        if any(each.vector is None for each in embedded)
        else ()
    )
    try:
        rows = [
            (
                generation,
                document,
                each.chunk,
                _pack(each.vector) if each.vector is not None else vectors[each.chunk.hash],
            )
            for each in embedded
        ]
    except KeyError:
        raise VectorMissing("a chunk has no vector, here or in the store") from None
    delete_chunks(connection, generation, document)
    for _, _, chunk, vector in rows:
        (row,) = connection.execute(
            'INSERT INTO chunks (generation, document, number, start, "end", page, heading, hash, vector, text)'
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            [
                generation,
                document,
                chunk.number,
                chunk.start,
                chunk.end,
                chunk.page,
                chunk.heading,
                chunk.hash,
                vector,
                chunk.text,
            ],
        ).fetchone()
        connection.execute(
            f"INSERT INTO {words_table(generation)} (rowid, words) VALUES (?, ?)",
            [row, _words(chunk.heading, chunk.text)],
        )
    _add_to_count(connection, generation, len(rows))
    connection.execute(
        "INSERT OR REPLACE INTO builds (generation, document, revision)"
        " SELECT ?, id, revision FROM documents WHERE id = ?",
        [generation, document],
    )


def delete_chunks(connection: sqlite3.Connection, generation: int, document: int) -> None:
    """Delete a document's chunks in a generation."""
    found = connection.execute(
        "DELETE FROM chunks WHERE document = ? AND generation = ? RETURNING id, heading, text", [document, generation]
    ).fetchall()
    # An index that keeps no texts has to be given the words that it forgets.
    connection.executemany(
        f"INSERT INTO {words_table(generation)} ({words_table(generation)}, rowid, words) VALUES ('delete', ?, ?)",
        ((row, _words(heading, text)) for row, heading, text in found),
    )
    _add_to_count(connection, generation, -len(found))


def load_hashes(connection: sqlite3.Connection, generation: int, collection: int, key: str) -> frozenset[str]:
    """Return the hashes of a document's chunks in a generation."""
    found = connection.execute(
        "SELECT hash FROM chunks JOIN documents ON documents.id = document"
        " WHERE generation = ? AND collection = ? AND key = ?",
        [generation, collection, key],
    )
    return frozenset(hash_ for (hash_,) in found)


def _add_to_count(connection: sqlite3.Connection, generation: int, number: int) -> None:
    connection.execute("UPDATE generations SET chunks = chunks + ? WHERE id = ?", [number, generation])


def _pack(vector: Sequence[float]) -> bytes:
    return array("f", unit_vector(vector)).tobytes()


def _words(heading: str, text: str) -> str:
    return " ".join(words_of(f"{heading}\n{text}"))

"""Searches by vectors and by words."""

import json
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from carteiro.retrieval.chunk import ChunkHit
from carteiro.retrieval.collection import Generation
from carteiro.retrieval.stores.hit_row import read_hit
from carteiro.retrieval.stores.sqlite.catalog import collection_row, generation_row
from carteiro.retrieval.stores.sqlite.schema import vocabulary_table, words_table
from carteiro.retrieval.stores.sqlite.vector_scan import Array, VectorScan

_LOAD_ROWS = 4096
_MAX_SCANS = 16
"""Generations whose vectors are in memory at a time."""
_SPARE_CANDIDATES = 64
_FREQUENT = 10_000
"""Chunks with a word, above which the word is left out of a query that has rarer ones."""
_MAX_DEAD_SHARE, _MAX_DEAD_ROWS = 0.25, 10_000
"""Rows of deleted chunks, above which vectors are read again: a share of all rows, and a number besides."""


class VectorSearch:
    """Searches by vectors. The vectors of a generation are read once; later searches read the new ones."""

    def __init__(self) -> None:
        self._scans: OrderedDict[int, _LockedScan] = OrderedDict()
        self._lock = threading.Lock()

    def search(
        self,
        connection: sqlite3.Connection,
        generation: Generation,
        vector: Sequence[float],
        labels: list[list[str]],
        limit: int,
    ) -> list[ChunkHit]:
        """Return the chunks that are nearest to a vector of length 1. Raise `CollectionUnknown`."""
        row = generation_row(connection, generation)
        documents = _fitting_documents(connection, generation, labels)
        query = np.asarray(vector, np.float32)
        with self._lock:
            scan = self._scans.setdefault(row, _LockedScan(len(vector)))
            self._scans.move_to_end(row)
            while len(self._scans) > _MAX_SCANS:
                self._scans.popitem(last=False)
        rows = scan.refresh(connection, row).rows
        count = 2 * limit + _SPARE_CANDIDATES
        while True:
            candidates = rows.best(query, count, documents)
            # Those that were deleted since are not found here.
            scored = _exact_scores(connection, row, candidates, query)[:limit]
            if len(scored) == limit or len(candidates) < count:
                return _load_hits(connection, generation, scored)
            count *= 4


class _LockedScan:
    def __init__(self, dimensions: int) -> None:
        self._dimensions, self._scan, self._lock = dimensions, VectorScan(dimensions), threading.Lock()

    def refresh(self, connection: sqlite3.Connection, generation: int) -> VectorScan:
        """Return a scan of all rows that the connection sees, and perhaps of deleted and of later ones."""
        with self._lock:
            (live,) = connection.execute("SELECT chunks FROM generations WHERE id = ?", [generation]).fetchone()
            _read_rows(connection, generation, self._scan, self._dimensions)
            dead = len(self._scan.rows.ids) - live
            if dead > _MAX_DEAD_ROWS + _MAX_DEAD_SHARE * live:
                self._scan = VectorScan(self._dimensions)
                _read_rows(connection, generation, self._scan, self._dimensions)
            return self._scan


def _read_rows(connection: sqlite3.Connection, generation: int, scan: VectorScan, dimensions: int) -> None:
    found = connection.execute(
        "SELECT id, document, vector FROM chunks WHERE generation = ? AND id > ? ORDER BY id",
        [generation, scan.last_id],
    )
    while rows := found.fetchmany(_LOAD_ROWS):
        ids, documents, vectors = zip(*rows, strict=True)
        matrix = np.frombuffer(b"".join(vectors), np.float32).reshape(-1, dimensions)
        scan.append(np.array(ids, np.int64), np.array(documents, np.int64), matrix)


def _exact_scores(
    connection: sqlite3.Connection, generation: int, candidates: Array, query: Array
) -> list[tuple[int, float]]:
    """Return the rows of chunks that exist, with their cosine similarity, best first."""
    found = connection.execute(
        "SELECT id, vector FROM chunks WHERE id IN (SELECT value FROM json_each(?)) AND generation = ?",
        [json.dumps(candidates.tolist()), generation],
    ).fetchall()
    if not found:
        return []
    matrix = np.frombuffer(b"".join(vector for _, vector in found), np.float32).reshape(len(found), -1)
    scored = zip((row for row, _ in found), (matrix @ query).tolist(), strict=True)
    return sorted(scored, key=lambda each: (-each[1], each[0]))


def search_words(
    connection: sqlite3.Connection, generation: Generation, words: list[str], labels: list[list[str]], limit: int
) -> list[ChunkHit]:
    """Return the chunks with words of a query, by BM25. Raise `CollectionUnknown`."""
    row = generation_row(connection, generation)
    if not words:
        return []
    table, words = words_table(row), _telling_words(connection, row, words)
    fitting, parameters = _fitting(labels)
    scored = connection.execute(
        # The name of the table is a number of ours; the words have letters and digits only.
        f"SELECT chunks.id, -bm25({table}) AS score FROM {table} JOIN chunks ON chunks.id = {table}.rowid"
        f" WHERE {table} MATCH ? {fitting} ORDER BY score DESC, chunks.id LIMIT ?",
        [" OR ".join(f'"{word}"' for word in words), *parameters, limit],
    ).fetchall()
    return _load_hits(connection, generation, scored)


def _telling_words(connection: sqlite3.Connection, generation: int, words: list[str]) -> list[str]:
    """Return the words of a query without those of very many chunks, unless there are no others.

    Such words count for little, and each chunk that has one would be looked at.
    """
    found = connection.execute(
        f"SELECT term, doc FROM {vocabulary_table(generation)} WHERE term IN (SELECT value FROM json_each(?))",
        [json.dumps(words)],
    )
    frequencies = {term: number for term, number in found if number}
    telling = [word for word, number in frequencies.items() if number <= _FREQUENT]
    return telling or sorted(frequencies, key=lambda word: frequencies[word])[:1] or words


def _fitting(labels: list[list[str]]) -> tuple[str, list[str]]:
    """Return the conditions of a filter on `document`, and their parameters."""
    condition = "AND document IN (SELECT document FROM labels WHERE label IN (SELECT value FROM json_each(?)))"
    return " ".join([condition] * len(labels)), [json.dumps(each) for each in labels]


def _fitting_documents(connection: sqlite3.Connection, generation: Generation, labels: list[list[str]]) -> Array | None:
    """Return the rows of the documents that fit a filter; None if all fit."""
    if not labels:
        return None
    fitting, parameters = _fitting(labels)
    found = connection.execute(
        f"SELECT id FROM (SELECT id, id AS document FROM documents WHERE collection = ?) WHERE true {fitting}",
        [collection_row(connection, generation.collection), *parameters],
    )
    return np.array([row for (row,) in found], np.int64)


def _load_hits(
    connection: sqlite3.Connection, generation: Generation, scored: Sequence[tuple[int, float]]
) -> list[ChunkHit]:
    rows = connection.execute(
        'SELECT chunks.id, number, start, "end", chunks.text, heading, page, key, title, uri, fields'
        " FROM chunks JOIN documents ON documents.id = document WHERE chunks.id IN (SELECT value FROM json_each(?))",
        [json.dumps([row for row, _ in scored])],
    )
    found = {row: (*columns, json.loads(fields)) for row, *columns, fields in rows}
    return [read_hit(generation, score, *found[row]) for row, score in scored]

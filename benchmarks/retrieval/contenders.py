"""Ways to keep vectors in files and to find the nearest ones, without a server."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np

from carteiro.retrieval.stores.sqlite.vector_scan import VectorScan

Search = Callable[[np.ndarray], list[int]]
"""Returns the numbers of the ten rows that are nearest to a query."""
NEAREST = 10


def carteiro(folder: Path, vectors: np.ndarray) -> Search:
    """Store vectors in SQLite, scan them in memory as 8-bit integers, and compare the best ones again."""
    database = sqlite3.connect(folder / "vectors.sqlite")
    database.execute("CREATE TABLE vectors (id INTEGER PRIMARY KEY, vector BLOB)")
    with database:
        database.executemany("INSERT INTO vectors VALUES (?, ?)", ((n, row.tobytes()) for n, row in enumerate(vectors)))
    scan = VectorScan(vectors.shape[1])
    found = database.execute("SELECT id, vector FROM vectors ORDER BY id")
    while rows := found.fetchmany(4096):
        ids = np.array([row for row, _ in rows])
        matrix = np.frombuffer(b"".join(vector for _, vector in rows), np.float32).reshape(len(rows), -1)
        scan.append(ids, ids, matrix)

    def search(query: np.ndarray) -> list[int]:
        candidates = scan.rows.best(query, 2 * NEAREST + 64, None)
        rows = database.execute(
            "SELECT id, vector FROM vectors WHERE id IN (SELECT value FROM json_each(?))",
            [json.dumps(candidates.tolist())],
        ).fetchall()
        scored = [(float(np.frombuffer(vector, np.float32) @ query), row) for row, vector in rows]
        return [row for _, row in sorted(scored, reverse=True)[:NEAREST]]

    return search


def sqlite_vec(folder: Path, vectors: np.ndarray) -> Search:
    """Store vectors in a table of sqlite-vec, which compares all of them.

    `apsw` brings a SQLite that loads extensions. That of Python often does not.
    """
    import apsw
    import sqlite_vec

    database = apsw.Connection(str(folder / "vectors.sqlite"))
    database.enable_load_extension(True)
    database.load_extension(sqlite_vec.loadable_path())
    database.execute(
        f"CREATE VIRTUAL TABLE vectors USING vec0(vector float[{vectors.shape[1]}] distance_metric=cosine)"
    )
    with database:
        database.executemany(
            "INSERT INTO vectors (rowid, vector) VALUES (?, ?)", ((n, row.tobytes()) for n, row in enumerate(vectors))
        )

    def search(query: np.ndarray) -> list[int]:
        found = database.execute("SELECT rowid FROM vectors WHERE vector MATCH ? AND k = ?", (query.tobytes(), NEAREST))
        return [int(row) for (row,) in found]

    return search


def lancedb(folder: Path, vectors: np.ndarray) -> Search:
    """Store vectors in LanceDB, which compares all of them."""
    return _lancedb(folder, vectors, index=None)


def lancedb_index(folder: Path, vectors: np.ndarray) -> Search:
    """Store vectors in LanceDB with its HNSW index."""
    return _lancedb(folder, vectors, index="IVF_HNSW_SQ")


def _lancedb(folder: Path, vectors: np.ndarray, index: str | None) -> Search:
    import lancedb
    import pyarrow as pa

    columns = {
        "id": pa.array(range(len(vectors))),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1]),
    }
    table = lancedb.connect(str(folder)).create_table("vectors", pa.table(columns))
    if index:
        table.create_index(metric="cosine", vector_column_name="vector", index_type=index)

    def search(query: np.ndarray) -> list[int]:
        found = table.search(query).distance_type("cosine").limit(NEAREST).select(["id", "_distance"]).to_arrow()
        return [int(row) for row in found["id"].to_pylist()]

    return search


CONTENDERS: dict[str, Callable[[Path, np.ndarray], Search]] = {
    "carteiro": carteiro,
    "sqlite-vec": sqlite_vec,
    "lancedb": lancedb,
    "lancedb with an index": lancedb_index,
}

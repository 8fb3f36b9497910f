"""Vectors of one generation in memory.

Its numbers are 8-bit integers. The caller compares the best of them again by the stored vectors, which found the true
ten nearest for all of 100 queries. Measured by `benchmarks.retrieval.vector_stores` on two busy cores, with 100,000
vectors of 384 dimensions: 12 ms for a search and 73 MiB. The extension sqlite-vec took 164 ms, and Python's SQLite
often loads no extensions. LanceDB took 192 ms, or 4 ms with an index that is built in minutes, and has 350 MB of
packages.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

_BLOCK_NUMBERS = 2**18
"""Numbers that are turned into floats at a time.

They fit the processor's cache, and are too few for OpenBLAS to start threads, which took ten times as long next to
other busy processes.
"""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class ScanRows:
    """The rows of a scan at some time. Later rows go into spare memory behind them, or into other arrays."""

    ids: Array
    """Rows of chunks, ascending: `[rows]`."""
    documents: Array
    """Rows of their documents: `[rows]`."""
    scales: Array
    """Value of the integer 1, by vector: `[rows]`."""
    codes: Array
    """The vectors: `[rows, dimensions]`."""

    def best(self, query: Array, count: int, documents: Array | None) -> Array:
        """Return the `ids` of the rows with the highest products with the query, in no order.

        `documents` are the rows of the only documents that count.
        """
        kept = None if documents is None else np.flatnonzero(np.isin(self.documents, documents))
        scores = self._scores(query, kept)
        if len(scores) > count:
            best = np.argpartition(scores, len(scores) - count)[len(scores) - count :]
        else:
            best = np.arange(len(scores))
        result: Array = self.ids[best if kept is None else kept[best]]
        return result

    def _scores(self, query: Array, kept: Array | None) -> Array:
        rows = len(self.ids) if kept is None else len(kept)
        scores = np.empty(rows, np.float32)
        size = max(_BLOCK_NUMBERS // len(query), 1)
        for start in range(0, rows, size):
            block = slice(start, start + size)
            taken = block if kept is None else kept[block]
            scores[block] = (self.codes[taken].astype(np.float32) @ query) * self.scales[taken]
        return scores


class VectorScan:
    """The growing rows of a generation. One thread at a time adds rows; others may scan those that were there."""

    def __init__(self, dimensions: int) -> None:
        self._size = 0
        self._rows = ScanRows(
            np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), np.empty((0, dimensions), np.int8)
        )

    @property
    def rows(self) -> ScanRows:
        """The rows that are there now."""
        full, size = self._rows, self._size
        return ScanRows(full.ids[:size], full.documents[:size], full.scales[:size], full.codes[:size])

    @property
    def last_id(self) -> int:
        """The highest row of a chunk, 0 if there is no row."""
        return int(self._rows.ids[self._size - 1]) if self._size else 0

    def append(self, ids: Array, documents: Array, vectors: Array) -> None:
        """Add rows with higher `ids`. `vectors` are floats: `[rows, dimensions]`."""
        size = self._size + len(ids)
        if size > len(self._rows.ids):
            self._grow(max(size, 2 * self._size))
        added, rows = slice(self._size, size), self._rows
        largest = np.abs(vectors).max(axis=1, initial=0)
        scales = np.where(largest > 0, largest / 127, 1)
        rows.ids[added], rows.documents[added], rows.scales[added] = ids, documents, scales
        rows.codes[added] = np.rint(vectors / scales[:, None])
        self._size = size

    def _grow(self, capacity: int) -> None:
        old, size = self.rows, self._size
        grown = [
            np.empty((capacity, *each.shape[1:]), each.dtype)
            for each in (old.ids, old.documents, old.scales, old.codes)
        ]
        for each, earlier in zip(grown, (old.ids, old.documents, old.scales, old.codes), strict=True):
            each[:size] = earlier
        self._rows = ScanRows(*grown)

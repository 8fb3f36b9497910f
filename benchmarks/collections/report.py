"""Tables and the picture of collections."""

import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from benchmarks.collections.embedder import Work
from benchmarks.collections.stores import StoreFigures
from benchmarks.results import Table

ABOUT = """\
Two cores that other programs used too: compare figures only with those of the same table. *Documents/s*: documents of
four chunks with vectors of 384 numbers, 16 written at once, without a model. *Question to sources*: vectors, words and
their fusion; with the question's vector given, and embedded by `local:minilm`. *First*: the first search of a process,
for which SQLite's vectors are read into memory. *Memory*: growth of the process that searches; *server*: of the
database. *Indexing*: documents of `tests/quality/corpus` and copies with other words, from the embedded broker through
the index service into the store, and the model by itself with all of the same chunks in one call, in turns: medians,
and the share of each round. Processor time is that of the service, without the database's. *Freshness*: from the
record of a document to its first hit, one document at a time."""


def store_table(figures: Mapping[str, StoreFigures]) -> Table:
    rows = [
        [
            name,
            f"{each.chunks:,}",
            f"{each.documents_per_second:.0f}",
            f"{each.bytes_on_disk / 2**20:.0f}",
            f"{1000 * each.first_search:.0f}",
            *(_milliseconds(times) for times in (each.searches, each.embedded_searches)),
            f"{each.memory_mib:.0f}",
            f"{each.server_mib:.0f}" if each.server_mib else "–",
        ]
        for name, each in figures.items()
    ]
    headings = ["store", "chunks", "documents/s", "disk, MiB", "first, ms", "question to sources, p50 / p99 ms"]
    return Table([*headings, "embedded too, p50 / p99 ms", "memory, MiB", "server, MiB"], rows, "Stores")


def index_table(rounds: Mapping[str, Sequence[tuple[Work, Work]]]) -> Table:
    rows = [
        [
            name,
            str(sum(service.chunks for _, service in works)),
            *(f"{_chunks_per_second([each[number] for each in works]):.1f}" for number in (0, 1)),
            *(", ".join(f"{_shares(*each)[kind]:.2f}" for each in works) for kind in (0, 1)),
        ]
        for name, works in rounds.items()
    ]
    headings = ["store", "chunks", "chunks/s, the model by itself", "chunks/s, the service"]
    return Table([*headings, "share of the model's speed", "by processor time"], rows, "Indexing")


def freshness_table(times: Mapping[str, Sequence[float]]) -> Table:
    rows = [[name, str(len(each)), _milliseconds(each)] for name, each in times.items()]
    return Table(["store", "documents", "p50 / p99 ms"], rows, "Freshness")


def plot(figures: Mapping[str, StoreFigures], freshness: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the shares of searches and documents that were ready after a time."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axis = figure.subplots()
    lines = {
        f"question to sources, {name}, {each.chunks:,} chunks": each.embedded_searches for name, each in figures.items()
    }
    for label, times in (lines | {f"record to first hit, {name}": times for name, times in freshness.items()}).items():
        shares = [100 * (number + 1) / len(times) for number in range(len(times))]
        axis.step([1000 * each for each in sorted(times)], shares, where="post", label=label)
    axis.set_xscale("log")
    axis.set_xlabel("milliseconds")
    axis.set_ylabel("% ready")
    axis.legend(loc="lower right")
    return figure


def _chunks_per_second(works: Sequence[Work]) -> float:
    return statistics.median(each.chunks / each.seconds for each in works)


def _shares(model: Work, worker: Work) -> tuple[float, float]:
    """Return the speed of the service as a multiple of the model's: by the clock, and by processor time."""
    per_chunk = worker.seconds / worker.chunks, worker.cpu_seconds / worker.chunks
    return model.seconds / model.chunks / per_chunk[0], model.cpu_seconds / model.chunks / per_chunk[1]


def _milliseconds(times: Sequence[float]) -> str:
    return " / ".join(f"{1000 * each:.0f}" for each in np.percentile(times, [50, 99]))

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
the index service into SQLite, and the model by itself with all of the same chunks in one call, in turns. *Freshness*:
from the record of a document to its first hit, one document at a time."""


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


def index_table(rounds: Sequence[tuple[Work, Work]]) -> Table:
    rows = []
    for name, number in (("the model by itself", 0), ("the index service", 1)):
        work = [each[number] for each in rounds]
        by_clock = statistics.median(each.chunks / each.seconds for each in work)
        by_processor = statistics.median(each.chunks / each.cpu_seconds for each in work)
        shares = [_shares(*each) for each in rounds] if number else [(1.0, 1.0)]
        rows.append(
            [
                name,
                str(sum(each.chunks for each in work)),
                f"{by_clock:.1f}",
                f"{by_processor:.1f}",
                *(", ".join(f"{share[kind]:.2f}" for share in shares) for kind in (0, 1)),
            ]
        )
    headings = ["", "chunks", "chunks/s", "chunks/s of processor time", "times the model", "by processor time"]
    return Table(headings, rows, "Indexing")


def freshness_table(times: Sequence[float]) -> Table:
    return Table(["freshness", "documents", "p50 / p99 ms"], [["SQLite", str(len(times)), _milliseconds(times)]])


def plot(figures: Mapping[str, StoreFigures], freshness: Sequence[float]) -> Figure:
    """Draw the shares of searches and documents that were ready after a time."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axis = figure.subplots()
    lines = {
        f"question to sources, {name}, {each.chunks:,} chunks": each.embedded_searches for name, each in figures.items()
    }
    for label, times in (lines | {"record to first hit": freshness}).items():
        shares = [100 * (number + 1) / len(times) for number in range(len(times))]
        axis.step([1000 * each for each in sorted(times)], shares, where="post", label=label)
    axis.set_xscale("log")
    axis.set_xlabel("milliseconds")
    axis.set_ylabel("% ready")
    axis.legend(loc="lower right")
    return figure


def _shares(model: Work, worker: Work) -> tuple[float, float]:
    """Return the speed of the service as a multiple of the model's: by the clock, and by processor time."""
    per_chunk = worker.seconds / worker.chunks, worker.cpu_seconds / worker.chunks
    return model.seconds / model.chunks / per_chunk[0], model.cpu_seconds / model.chunks / per_chunk[1]


def _milliseconds(times: Sequence[float]) -> str:
    return " / ".join(f"{1000 * each:.0f}" for each in np.percentile(times, [50, 99]))

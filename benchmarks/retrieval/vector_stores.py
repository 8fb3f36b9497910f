"""Measure embedded stores of vectors: recall of the ten nearest, time of a search, of the build, memory and disk.

`python -m benchmarks.retrieval.vector_stores [--rows 100000]` prints a table. Each store is measured in a process of
its own. `pip install apsw sqlite-vec lancedb psutil` brings the others.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console

from benchmarks.results import Table
from benchmarks.retrieval.contenders import CONTENDERS, NEAREST

_DIMENSIONS = 384
_CLUSTERS = 2000
_QUERIES = 100


def generate(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors of length 1 in clusters, as those of texts are, and queries: `[rows, dimensions]`."""
    random = np.random.default_rng(7)
    centres = random.normal(size=(_CLUSTERS, _DIMENSIONS))
    near = centres[random.integers(0, _CLUSTERS, rows + _QUERIES)]
    vectors = (near + 0.9 * random.normal(size=near.shape)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors[:rows], vectors[rows:]


def measure(name: str, rows: int) -> dict[str, float]:
    """Return the figures of one store, measured in this process."""
    vectors, queries = generate(rows)
    exact = [set(np.argsort(-(vectors @ query))[:NEAREST].tolist()) for query in queries]
    with tempfile.TemporaryDirectory() as folder:
        before, started = psutil.Process().memory_info().rss, time.perf_counter()
        search = CONTENDERS[name](Path(folder), vectors)
        built = time.perf_counter() - started
        times, found = [], 0
        search(queries[0])
        for query, nearest in zip(queries, exact, strict=True):
            started = time.perf_counter()
            found += len(nearest & set(search(query)))
            times.append(time.perf_counter() - started)
        disk = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        memory = psutil.Process().memory_info().rss - before
    return {
        "recall": found / NEAREST / len(queries),
        "milliseconds": 1000 * statistics.median(times),
        "seconds": built,
        "memory": memory / 2**20,
        "disk": disk / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval.vector_stores", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--only", choices=CONTENDERS, help="measure one in this process, and print JSON")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.rows)))
        return
    rows = []
    for name in CONTENDERS:
        command = [sys.executable, "-m", __spec__.name, "--only", name, "--rows", str(options.rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            rows.append([name, done.stderr.strip().rpartition("\n")[2], "", "", "", ""])
            continue
        one = json.loads(done.stdout.splitlines()[-1])
        figures = ("milliseconds", "{:.1f}"), ("seconds", "{:.1f}"), ("memory", "{:.0f}"), ("disk", "{:.0f}")
        rows.append([name, f"{one['recall']:.3f}", *(form.format(one[field]) for field, form in figures)])
    headings = ["store", "recall@10", "search, ms (p50)", "build, s", "memory, MiB", "disk, MiB"]
    Console().print(Table(headings, rows, title=f"{options.rows} vectors of {_DIMENSIONS} dimensions").as_rich())


if __name__ == "__main__":
    main()

"""The benchmarks of Carteiro, each in its own folder. `python -m benchmarks` runs all of them."""

BENCHMARKS: dict[str, list[list[str]]] = {
    "delivery": [[]],
    "enrichment": [[]],
    "quota": [["--simulate"], []],
    "local": [[]],
    "prefixes": [[]],
    "engines": [[]],
    "memory": [[]],
    "retrieval": [[]],
    "collections": [[]],
    "waiting": [[]],
    "parts": [[]],
    "repeated_calls": [[]],
    "soak": [],
}
"""The benchmarks in the order of docs/understand/figures.md, each with the arguments of its runs.

A benchmark without runs is on that page, but `make bench` leaves it out: it takes too long.
"""

"""What Carteiro is measured by, each benchmark in a room of its own; `python -m benchmarks` runs them all."""

ROOMS: dict[str, list[list[str]]] = {
    "delivery": [[]],
    "quota": [["--simulate"], []],
    "local": [[]],
    "engines": [[]],
    "waiting": [[]],
    "soak": [],
}
"""The rooms in the order of docs/figures.md, each with the arguments of its runs.

One without runs is shown there and left out by `make bench`: it takes too long.
"""

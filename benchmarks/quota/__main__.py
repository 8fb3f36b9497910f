"""`python -m benchmarks.quota`: over HTTP, beside others. `--simulate`: many workers in simulated time."""

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.quota.http import measure
from benchmarks.quota.plot import plot_http, plot_simulated
from benchmarks.quota.report import show_http, show_simulated
from benchmarks.quota.simulation import ALL, Simulation

FOLDER = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quota", description=__doc__)
    parser.add_argument("--simulate", action="store_true", help="simulated time: takes about a minute")
    parser.add_argument("--limit", type=int, default=600, help="requests a minute (default: 600)")
    parser.add_argument("--seconds", type=float, default=75, help="how long each is measured (default: 75)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="those whose name contains one of these")
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    console = Console(width=140)
    wanted = [word.lower() for word in arguments.only or [""]]
    if arguments.simulate:
        chosen = [each for each in ALL if any(word in each.name for word in wanted)]
        outcomes = [Simulation(scenario).run() for scenario in chosen]
        show_simulated(console, outcomes, FOLDER / "simulated.md")
        plot_simulated(outcomes, FOLDER / "simulated.png")
        return
    measured = asyncio.run(measure(arguments.limit, arguments.seconds, wanted, console))
    show_http(console, measured, FOLDER / "http.md")
    plot_http(measured, FOLDER / "http.png")


if __name__ == "__main__":
    sys.exit(main())

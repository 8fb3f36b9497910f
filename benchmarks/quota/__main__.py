"""`python -m benchmarks.quota`: over HTTP, next to other clients. `--simulate`: many workers in simulated time."""

import asyncio

from rich.console import Console

from benchmarks.quota.http import measure
from benchmarks.quota.plot import plot_http, plot_simulated
from benchmarks.quota.report import SIMULATED, about_http, table_http, table_simulated
from benchmarks.quota.simulation import ALL, Simulation
from benchmarks.results import argument_parser, parse_arguments, save


def main() -> None:
    parser = argument_parser("benchmarks.quota", __doc__)
    parser.add_argument("--simulate", action="store_true", help="simulated time: takes about half a minute")
    parser.add_argument("--limit", type=int, default=600, help="requests a minute (default: 600)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=62,
        help="how long each is measured (default: 62, for limits that are counted by the minute)",
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="those whose name contains one of these")
    options = parse_arguments(parser, seconds=8)
    wanted = [word.lower() for word in options.only or [""]]
    if options.simulate:
        chosen = [each for each in ALL if any(word in each.name for word in wanted)]
        if options.quick:
            chosen = [each for each in chosen if each.workers == 1]
        outcomes = [Simulation(scenario).run() for scenario in chosen]
        table, picture = table_simulated(outcomes), plot_simulated(outcomes)
        save(options, "simulated", "Quotas, in simulated time", SIMULATED, [table], picture)
        return
    measured = asyncio.run(measure(options.limit, options.seconds, wanted, Console()))
    save(options, "http", "Quotas, over HTTP", about_http(measured[0]), [table_http(measured)], plot_http(measured))


if __name__ == "__main__":
    main()

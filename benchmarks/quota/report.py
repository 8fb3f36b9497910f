"""Tables of what was measured, on the terminal and as Markdown."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.quota.http import CALLERS, WARM_UP, Measured
from benchmarks.quota.simulation import Outcome


def show_http(console: Console, measured: Sequence[Measured], to: Path) -> None:
    headings = ["", "used", "refused", "calls", "p50 s", "p99 s"]
    rows = [
        [
            each.name,
            f"{each.used:.1%}",
            f"{each.refused_share:.1%}",
            str(each.calls),
            f"{each.wait(0.5):.1f}",
            f"{each.wait(0.99):.1f}",
        ]
        for each in measured
    ]
    first = measured[0]
    title = (
        f"{first.limit:g} requests a minute, a burst of one second, {CALLERS} callers, latency around 1 s,"
        f" {first.seconds:g} s each; used: after {WARM_UP:g} s; refused: of all calls"
    )
    _show(console, title, headings, rows, to)


def show_simulated(console: Console, outcomes: Sequence[Outcome], to: Path) -> None:
    headings = ["", "used", "refused", "after warm-up", "max/min", "calls", "halved: s", "doubled: s"]
    rows = []
    for each in outcomes:
        steps = [*(second for second, _ in each.scenario.changes), each.scenario.seconds]
        settled = [f"{each.settled_after(a, b):.0f}" for a, b in itertools.pairwise(steps)]
        shares = [f"{each.used_share():.1%}", f"{each.refused_share:.2%}", f"{each.steady_refused_share:.2%}"]
        rows.append([each.scenario.name, *shares, f"{each.fairness:.2f}", str(each.calls), *settled])
    title = (
        "Simulated; refused: of all calls, the start included, where all workers begin at once;"
        " halved, doubled: seconds until the use of 15 s is within 15% of the new quota and stays there"
    )
    _show(console, title, headings, [row + [""] * (len(headings) - len(row)) for row in rows], to)


def _show(console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], to: Path) -> None:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    lines = [title + ".", "", "| " + " | ".join(headings) + " |", "| --- |" + " ---: |" * (len(headings) - 1)]
    to.write_text("\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n")

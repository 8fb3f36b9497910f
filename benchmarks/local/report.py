"""The figures for people: a table, in Markdown too, and a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.local.work import Outcome

mpl.use("agg")

from matplotlib import pyplot as plt

_HEADINGS = ("contender", "a second", "of static batches", "times one at a time", "p50 s", "p99 s", "same texts")


def _rate(outcome: Outcome) -> float:
    return (outcome.tokens or len(outcome.answered)) / outcome.seconds


def _cells(outcome: Outcome, everybody: Sequence[Outcome]) -> list[str]:
    single, static = everybody[0], everybody[1]
    same = sum(outcome.texts[text] == said for text, said in single.texts.items()) / len(single.texts)
    return [
        outcome.name,
        f"{_rate(outcome):.1f}",
        f"{_rate(outcome) / _rate(static):.0%}",
        f"{_rate(outcome) / _rate(single):.1f}",
        f"{outcome.quantile(0.5):.1f}",
        f"{outcome.quantile(0.99):.1f}",
        f"{same:.0%}",
    ]


def show(console: Console, title: str, outcomes: Sequence[Outcome], to: Path) -> None:
    """The table, on the terminal and in a file. `a second` is tokens for completions, texts for classification."""
    table = Table(title=title, box=box.SIMPLE_HEAD)
    for number, heading in enumerate(_HEADINGS):
        table.add_column(heading, justify="right" if number else "left")
    lines = [f"# {title}\n", "| " + " | ".join(_HEADINGS) + " |", "| --- |" + " ---: |" * (len(_HEADINGS) - 1)]
    for outcome in outcomes:
        cells = _cells(outcome, outcomes)
        table.add_row(*cells)
        lines.append("| " + " | ".join(cells) + " |")
    console.print(table)
    to.write_text("\n".join(lines) + "\n")


def plot(title: str, outcomes: Sequence[Outcome], to: Path) -> None:
    """How many were answered by when."""
    figure, axis = plt.subplots(figsize=(9, 4.5), layout="constrained")
    for outcome in outcomes:
        answered = sorted(outcome.answered)
        axis.step(answered, range(1, len(answered) + 1), where="post", label=outcome.name)
    axis.set(title=f"{title}: all asked at once", xlabel="seconds", ylabel="answered")
    axis.legend()
    figure.savefig(to, dpi=110)
    plt.close(figure)

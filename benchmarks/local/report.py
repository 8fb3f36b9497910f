"""A table and a plot for readers."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmarks.local.workload import ContenderResult
from benchmarks.results import Table

TITLES = {"generation": "Local models: completions", "classification": "Local models: classification"}
_HEADINGS = ("contender", "a second", "of static batches", "times one at a time", "p50 s", "p99 s", "same texts")
_DESCRIPTIONS = {
    "generation": "completions of 16 to 96 tokens by the packaged SmolLM2; *a second* is tokens.",
    "classification": "texts for a classifier of DistilBERT's size; *a second* is texts.",
}
_COLUMNS = """All are asked for at once.
*Static batches* are the best that could be made if all were known in advance. *p50*, *p99*: when half and 99% were
answered. *Same texts*: as one at a time."""


def about(name: str, outcomes: Sequence[ContenderResult]) -> str:
    """Return the description of the measurement and of the columns."""
    return f"{len(outcomes[0].answered_at)} {_DESCRIPTIONS[name]} {_COLUMNS}"


def table(outcomes: Sequence[ContenderResult]) -> Table:
    """Return a table with a row for each contender."""
    return Table(_HEADINGS, [_cells(outcome, outcomes) for outcome in outcomes])


def plot(title: str, outcomes: Sequence[ContenderResult]) -> Figure:
    """Draw the number of answered requests over time."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axis = figure.subplots()
    for outcome in outcomes:
        answered = sorted(outcome.answered_at)
        axis.step(answered, range(1, len(answered) + 1), where="post", label=outcome.name)
    axis.set(title=f"{title}, all asked at once", xlabel="seconds", ylabel="answered")
    axis.legend()
    return figure


def _rate(outcome: ContenderResult) -> float:
    return (outcome.tokens or len(outcome.answered_at)) / outcome.seconds


def _cells(outcome: ContenderResult, outcomes: Sequence[ContenderResult]) -> list[str]:
    single, static = outcomes[0], outcomes[1]
    same = sum(outcome.texts[text] == expected for text, expected in single.texts.items()) / len(single.texts)
    return [
        outcome.name,
        f"{_rate(outcome):.1f}",
        f"{_rate(outcome) / _rate(static):.0%}",
        f"{_rate(outcome) / _rate(single):.1f}",
        f"{outcome.quantile(0.5):.1f}",
        f"{outcome.quantile(0.99):.1f}",
        f"{same:.0%}",
    ]

"""The figures for people: a table and a picture."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmarks.local.work import Outcome
from benchmarks.results import Table

TITLES = {"generation": "Local models: completions", "classification": "Local models: classification"}
_HEADINGS = ("contender", "a second", "of static batches", "times one at a time", "p50 s", "p99 s", "same texts")
_WHAT = {
    "generation": "completions of 16 to 96 tokens by the packaged SmolLM2; *a second* is tokens.",
    "classification": "texts for a classifier of DistilBERT's size; *a second* is texts.",
}
_COLUMNS = """All are asked for at once.
*Static batches* are the best that could be made if all were known in advance. *p50*, *p99*: when half and 99% were
answered. *Same texts*: as one at a time."""


def about(name: str, outcomes: Sequence[Outcome]) -> str:
    """What was measured, and what the columns mean."""
    return f"{len(outcomes[0].answered)} {_WHAT[name]} {_COLUMNS}"


def table(outcomes: Sequence[Outcome]) -> Table:
    """A row for each contender."""
    return Table(_HEADINGS, [_cells(outcome, outcomes) for outcome in outcomes])


def plot(title: str, outcomes: Sequence[Outcome]) -> Figure:
    """How many were answered by when."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axis = figure.subplots()
    for outcome in outcomes:
        answered = sorted(outcome.answered)
        axis.step(answered, range(1, len(answered) + 1), where="post", label=outcome.name)
    axis.set(title=f"{title}, all asked at once", xlabel="seconds", ylabel="answered")
    axis.legend()
    return figure


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

"""The model calls of one run, and the table of all runs."""

from dataclasses import dataclass

from matplotlib.figure import Figure

from benchmarks.results import Table
from tests.containers.chaos import PARTS

ABOUT = f"""\
Texts of {PARTS} parts are summarized: a call for each part, and one for the summary of their summaries. Three workers,
of which one at a time is killed by `kill -9` and started again. *Again*: calls beyond those that the texts need, each
of them paid. *In flight*: calls that the kills cut off, which nobody can find again, unless the provider keeps their
answers. All ran with the same texts, the same model and the same kills."""


@dataclass(frozen=True, slots=True)
class RunCalls:
    """Calls of one contender."""

    contender: str
    needed: int
    """Number of calls that the texts need."""
    made: int
    """Number of calls that the model saw."""
    in_flight: int
    """Number of calls that were cut off."""
    kills: int
    seconds: float

    @property
    def again(self) -> int:
        """Number of calls that were made again."""
        return self.made - self.needed


def table(outcomes: list[RunCalls]) -> Table:
    """Return the table of all contenders."""
    return Table(
        ["contender", "calls needed", "made", "again", "in flight", "kills", "seconds"],
        [
            [
                each.contender,
                f"{each.needed:,}",
                f"{each.made:,}",
                f"{each.again:,}",
                f"{each.in_flight:,}",
                f"{each.kills}",
                f"{each.seconds:.0f}",
            ]
            for each in outcomes
        ],
    )


def plot(outcomes: list[RunCalls]) -> Figure:
    """Draw the repeated calls of each contender as bars."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    axes.barh([each.contender for each in outcomes], [each.again for each in outcomes], label="made again")
    axes.barh(
        [each.contender for each in outcomes],
        [each.in_flight for each in outcomes],
        height=0.3,
        color="black",
        label="in flight at the kills",
    )
    axes.invert_yaxis()
    axes.set_xlabel("model calls")
    axes.legend()
    return figure

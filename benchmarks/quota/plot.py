"""Plot of used and refused calls over time."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.quota.http import HttpResult
from benchmarks.quota.simulation import SimulationResult

_USED, _REFUSED, _QUOTA = "#2f6db3", "#c0392b", "#8c8c8c"


def plot_http(measured: Sequence[HttpResult]) -> Figure:
    figure, axes = _panels(len(measured))
    for each, axis in zip(measured, axes.flat, strict=False):
        used, refused = (Counter(int(at) for at in times) for times in (each.accepted, each.refused))
        given = [each.limit / 60] * int(each.seconds)
        _draw(
            axis, f"{each.name}: {each.used_share:.1%} used, {each.refused_share:.1%} refused", used, refused, given, 3
        )
    axes.flat[0].legend(fontsize=8, frameon=False)
    return figure


def plot_simulated(outcomes: Sequence[SimulationResult]) -> Figure:
    figure, axes = _panels(len(outcomes))
    for each, axis in zip(outcomes, axes.flat, strict=False):
        given = [each.offered[second] / 1000 for second in range(int(each.scenario.seconds))]
        title = f"{each.scenario.name}: {each.used_share():.1%} used, {each.steady_refused_share:.1%} refused"
        _draw(axis, title, each.used, each.refused, given, 5)
    axes.flat[0].legend(fontsize=8, frameon=False)
    return figure


def _panels(count: int) -> tuple[Figure, np.ndarray]:
    rows = (count + 1) // 2
    figure = Figure(figsize=(13, 3 * rows), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False)
    for axis in axes.flat[count:]:
        axis.axis("off")
    figure.supxlabel("seconds", fontsize=9)
    figure.supylabel("a second", fontsize=9)
    return figure, axes


def _draw(
    axis: Axes, title: str, used: Counter[int], refused: Counter[int], given: Sequence[float], width: int
) -> None:
    seconds = range(0, len(given) - width, width)
    for counts, colour, label in ((used, _USED, "used"), (refused, _REFUSED, "refused")):
        rates = [sum(counts[at + each] for each in range(width)) / width for at in seconds]
        axis.plot(seconds, rates, color=colour, label=label, linewidth=1.2)
    axis.plot(range(len(given)), given, color=_QUOTA, linestyle="--", linewidth=1, label="quota")
    axis.set_ylim(0, 2.5 * max(given))
    axis.set_title(title, loc="left", fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)

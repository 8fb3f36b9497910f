"""What was used and refused, over time."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.quota.http import Measured
from benchmarks.quota.simulation import Outcome

mpl.use("agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

_USED, _REFUSED, _QUOTA = "#2f6db3", "#c0392b", "#8c8c8c"


def plot_http(measured: Sequence[Measured], to: Path) -> None:
    figure, axes = plt.subplots(
        (len(measured) + 1) // 2, 2, figsize=(13, 3 * ((len(measured) + 1) // 2)), squeeze=False
    )
    for each, axis in zip(measured, axes.flat, strict=False):
        used, refused = (Counter(int(at) for at in times) for times in (each.accepted, each.refused))
        given = [each.limit / 60] * int(each.seconds)
        _draw(axis, f"{each.name}: {each.used:.1%} used, {each.refused_share:.1%} refused", used, refused, given, 3)
    _save(figure, axes, len(measured), to)


def plot_simulated(outcomes: Sequence[Outcome], to: Path) -> None:
    figure, axes = plt.subplots(
        (len(outcomes) + 1) // 2, 2, figsize=(13, 3 * ((len(outcomes) + 1) // 2)), squeeze=False
    )
    for each, axis in zip(outcomes, axes.flat, strict=False):
        given = [each.offered[second] / 1000 for second in range(int(each.scenario.seconds))]
        title = f"{each.scenario.name}: {each.used_share():.1%} used, {each.steady_refused_share:.1%} refused"
        _draw(axis, title, each.used, each.refused, given, 5)
    _save(figure, axes, len(outcomes), to)


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


def _save(figure: plt.Figure, axes: Sequence[Axes], count: int, to: Path) -> None:
    for axis in axes.flat[count:]:  # type: ignore[attr-defined]
        axis.axis("off")
    axes.flat[0].legend(fontsize=8, frameon=False)  # type: ignore[attr-defined]
    figure.supxlabel("seconds", fontsize=9)
    figure.supylabel("a second", fontsize=9)
    figure.tight_layout()
    figure.savefig(to, dpi=110)
    plt.close(figure)

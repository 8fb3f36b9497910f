"""Tables and a picture of the times."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from benchmarks.parts.traffic import PARTS
from benchmarks.results import Table

CALL_SECONDS = 0.5
"""Latency of the model."""
ABOUT = f"""\
Texts of {PARTS} parts, about fifty pages, whose calls take {CALL_SECONDS:g} s each: one for each part, and one for the
summary of the summaries. *Path*: two calls, one after the other; *sum*: all of them. Next to two such texts at any time
a stream of short texts of one call each, from sending to reply. With a quota, the long texts would use it up."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from sending to reply in one setting."""

    setting: str
    long_only: Sequence[float]
    """Of a long text by itself."""
    short_only: Sequence[float]
    short_mixed: Sequence[float]
    """Of short texts, by themselves and next to long ones."""
    long_mixed: Sequence[float]


def quantile(seconds: Sequence[float], share: float) -> float:
    """Return the quantile `share` of the seconds; NaN if there are none."""
    if not seconds:
        return math.nan
    ordered = sorted(seconds)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def tables(measured: Sequence[Times]) -> list[Table]:
    """Return the table of the long texts, and that of the short ones."""
    long = [
        [
            each.setting,
            f"{quantile(each.long_only, 0.5):.1f}",
            f"{2 * CALL_SECONDS:.1f}",
            f"{(PARTS + 1) * CALL_SECONDS:.1f}",
            f"{len(each.long_mixed)}",
            f"{quantile(each.long_mixed, 0.5):.1f}",
        ]
        for each in measured
    ]
    short = []
    for each in measured:
        for name, seconds in (("by themselves", each.short_only), ("next to long texts", each.short_mixed)):
            p99 = quantile(seconds, 0.99)
            ratio = p99 / quantile(each.short_only, 0.99)
            row = [f"{each.setting}, {name}", f"{len(seconds):,}", f"{quantile(seconds, 0.5) * 1000:.0f}"]
            short.append([*row, f"{p99 * 1000:.0f}", f"{ratio:.0%}"])
    return [
        Table(["long texts", "by itself s", "path s", "sum s", "next to short ones", "s each"], long),
        Table(["short texts", "requests", "p50 ms", "p99 ms", "p99 ratio"], short),
    ]


def plot(measured: Sequence[Times]) -> Figure:
    """Draw the times of short texts, by themselves and next to long ones."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots(1, len(measured), squeeze=False)[0]
    for each, axis in zip(measured, axes, strict=True):
        lines: Mapping[str, Sequence[float]] = {
            "by themselves": each.short_only,
            "next to long texts": each.short_mixed,
        }
        for name, seconds in lines.items():
            ordered = sorted(seconds)
            axis.plot(ordered, [(number + 1) / len(ordered) for number in range(len(ordered))], label=name)
        axis.set_title(each.setting)
        axis.set_xlabel("seconds until the reply")
        axis.set_ylabel("share of short texts")
        axis.set_xlim(left=0)
        axis.legend()
    return figure

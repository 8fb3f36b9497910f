"""Plot of memory, handles, lag and latency over time, with the faults."""

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.soak.record import SoakRecord
from benchmarks.soak.report import FAULT_DESCRIPTIONS
from benchmarks.soak.schedule import BROKER, KILL, PAUSE, PROVIDER

_FAULTS = {KILL: "#c0392b", PAUSE: "#d98c3f", BROKER: "#6b4a9e", PROVIDER: "#8c8c8c"}
_SURVIVOR, _OTHERS = "#2f6db3", "#5fa55a"
_NO_VALUE = float("nan")


def plot(record: SoakRecord) -> Figure:
    """Draw four panels, one below the other, with a common axis in minutes."""
    figure = Figure(figsize=(13, 12), layout="constrained")
    axes = figure.subplots(4, 1, sharex=True)
    memory, handles, lag, latency = axes
    _draw_processes(memory, record, "mib", "memory of each process, MiB")
    memory.set_ylim(bottom=0)
    _draw_processes(handles, record, "handles", "open file handles of each process")
    _set_log_scale(handles)
    _draw_lag(lag, record)
    _draw_latency(latency, record)
    for axis in axes:
        for each in record.happened:
            # A fault without a duration would be too narrow to see as a stretch.
            axis.axvline(each.at / 60, color=_FAULTS[each.kind], linewidth=0.8, alpha=0.8)
            axis.axvspan(each.at / 60, each.until / 60, color=_FAULTS[each.kind], alpha=0.15, linewidth=0)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.01)
    latency.set_xlabel("minutes")
    faults = [Line2D([], [], color=_FAULTS[kind], label=words) for kind, words in FAULT_DESCRIPTIONS.items()]
    figure.legend(handles=faults, loc="outside upper center", ncols=len(faults), fontsize=9, frameon=False)
    return figure


def _draw_processes(axis: Axes, record: SoakRecord, what: str, title: str) -> None:
    for life, line in record.series(what).items():
        survivor = life == record.survivor
        first = life.endswith(" 1")
        label = (
            (f"worker {life[0]}, never killed" if survivor else f"worker {life[0]}, killed at times") if first else None
        )
        axis.plot(
            [at / 60 for at, _ in line],
            [value for _, value in line],
            color=_SURVIVOR if survivor else _OTHERS,
            linewidth=1.6 if survivor else 1.1,
            label=label,
        )
    _set_title(axis, title)


def _draw_lag(axis: Axes, record: SoakRecord) -> None:
    minutes = [each.at / 60 for each in record.intervals]
    tasks = sorted({task for each in record.intervals for task in each.lag or ()})
    for task in tasks:
        values = [_NO_VALUE if each.lag is None else each.lag.get(task, 0) for each in record.intervals]
        axis.plot(minutes, values, linewidth=1, label=task)
    axis.set_yscale("symlog", linthresh=10)
    axis.yaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:g}"))
    axis.set_ylim(bottom=0)
    _set_title(axis, "lag of each task, requests not committed")


def _draw_latency(axis: Axes, record: SoakRecord) -> None:
    minutes = [each.at / 60 for each in record.intervals]
    for name, colour in (("p50", _SURVIVOR), ("p99", "#c9a227")):
        values = [_NO_VALUE if (value := getattr(each, name)) is None else value for each in record.intervals]
        axis.plot(minutes, values, color=colour, linewidth=1.1, label=name)
    _set_log_scale(axis)
    _set_title(axis, "from request to reply, seconds, of the replies in 5 s")


def _set_log_scale(axis: Axes) -> None:
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:g}"))


def _set_title(axis: Axes, title: str) -> None:
    axis.set_title(title, loc="left", fontsize=10)
    # Next to the title, so that it does not cover the lines.
    axis.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=6)

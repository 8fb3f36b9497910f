"""Plot of the measurements, with the targets as lines."""

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.delivery.contenders import CONTENDERS, RAW
from benchmarks.delivery.measurement import Measurement
from benchmarks.delivery.targets import MAX_ADDED_MS, MAX_CPU_MS, MIN_EFFICIENCY, MIN_SHARE_OF_RAW
from benchmarks.delivery.workloads import WORKLOADS, Workload

_COLOURS = {"raw": "#8c8c8c", "share_consumer": "#6f9f4f", "faststream_app": "#d98c3f", "carteiro_worker": "#2f6db3"}
_BY_NAME = {contender.name: contender for contender in CONTENDERS}


def plot(measurements: Sequence[Measurement]) -> Figure:
    """Draw one panel for each measured quantity of each workload."""
    panels = [panel for workload in WORKLOADS for panel in _panels(workload, measurements)]
    rows = (len(panels) + 1) // 2
    figure = Figure(figsize=(16, 3.6 * rows), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, draw in zip(axes.flat, panels, strict=False):
        draw(axis)
    return figure


def _panels(workload: Workload, measurements: Sequence[Measurement]) -> list[Callable[[Axes], None]]:
    measured = [each for each in measurements if each.workload == workload.name and not each.failure]
    if not measured:
        return []
    if workload.rate:
        return [lambda axis: _added(axis, workload, measured)]
    if not workload.latency:
        return [lambda axis: _rate(axis, workload, measured)]
    panels: list[Callable[[Axes], None]] = [lambda axis: _efficiency(axis, workload, measured)]
    if workload.through_sdk:
        panels.append(lambda axis: _cpu(axis, workload, measured))
    return panels


def _bars(axis: Axes, title: str, values: Mapping[str, float], number_format: str) -> None:
    colours = [_COLOURS[_BY_NAME[name].module.rpartition(".")[2]] for name in values]
    bars = axis.barh(list(values), list(values.values()), color=colours)
    axis.bar_label(bars, [format(value, number_format) for value in values.values()], padding=3)
    axis.invert_yaxis()
    axis.margins(x=0.15)
    axis.set_title(title, loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_targets(axis: Axes, text: str, *positions: float) -> None:
    for position in positions:
        axis.axvline(position, color="#b22222", linestyle="--", linewidth=1.2)
    axis.set_xlabel(f"dashed: {text}", fontsize=8, color="#b22222")


def _rate(axis: Axes, workload: Workload, measured: Sequence[Measurement]) -> None:
    values = {each.contender: each.per_second or 0 for each in measured}
    _bars(axis, f"{workload.name}: {workload.description}\nreplies a second", values, ",.0f")
    if RAW.name in values:
        _draw_targets(axis, "the target for at_least_once, 1/3 of raw", values[RAW.name] * MIN_SHARE_OF_RAW)


def _efficiency(axis: Axes, workload: Workload, measured: Sequence[Measurement]) -> None:
    values = {each.contender: each.efficiency or 0 for each in measured}
    _bars(
        axis,
        f"{workload.name}: {workload.description}\nreplies a second, as a share of in-flight limit/latency",
        values,
        ".1%",
    )
    _draw_targets(axis, f"the target, {MIN_EFFICIENCY:.0%}", MIN_EFFICIENCY)


def _cpu(axis: Axes, workload: Workload, measured: Sequence[Measurement]) -> None:
    # With one request at a time, the processor time of an idle process would count as the request's.
    shown = [each for each in measured if not _BY_NAME[each.contender].one_at_a_time]
    values = {each.contender: each.cpu_ms or 0 for each in shown}
    _bars(axis, f"{workload.name}: {workload.description}\nprocessor time of the process, ms a request", values, ".2f")
    _draw_targets(axis, f"the target, {MAX_CPU_MS:g} ms", MAX_CPU_MS)


def _added(axis: Axes, workload: Workload, measured: Sequence[Measurement]) -> None:
    p99 = {each.contender: each.p99_ms or 0 for each in measured}
    p50 = {each.contender: each.p50_ms or 0 for each in measured}
    _bars(axis, f"{workload.name}: {workload.description}\nms from request to reply, p50 and p99", p99, ".1f")
    bars = axis.barh(list(p50), list(p50.values()), color="#00000055")
    axis.bar_label(bars, [format(value, ".1f") for value in p50.values()], label_type="center", color="white")
    if RAW.name in p50:
        most = ", ".join(f"{name.split()[-1]} + {ms:g} ms" for name, ms in MAX_ADDED_MS.items())
        _draw_targets(
            axis, f"the targets at p50, above raw: {most}", *(p50[RAW.name] + ms for ms in MAX_ADDED_MS.values())
        )

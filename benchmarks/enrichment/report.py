"""Tables and a plot of the measurements."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.delivery.measurement import Measurement
from benchmarks.delivery.workloads import Workload
from benchmarks.enrichment.contenders import BY_HAND, WORKLOADS
from benchmarks.enrichment.mapping import MAX_MS, MappingCost
from benchmarks.results import Table

NOTES = "notes"
ABOUT = """\
Events of 1 KB from topic to topic, one partition, each with the reply of a model in it. *Of by hand*: events a second
as a share of those of FastStream with 64 workers, which commits an event before it is enriched: a crash loses up to 64.
With batches it loses none, but waits for the slowest event of each batch. Neither keeps events of one key in order, the
spelling of numbers, or an event that it cannot read. *CPU ms*: processor time of the process for an event. *Machine
busy*: all processors, the broker included. *Mapping*: the part of it without Kafka and tasks, from the event's bytes
to the enriched event's, in the fastest of five rounds."""
_COLOURS = {"faststream": "#d98c3f", "carteiro": "#2f6db3"}


def tables(measurements: Sequence[Measurement], costs: Sequence[MappingCost]) -> list[Table]:
    """Return a table for each workload, and one of the mapping."""
    found = [_throughput(workload, measurements) for workload in WORKLOADS]
    rows = [[f"{each.format}, {each.case}", f"{each.event_bytes:,}", f"{each.ms:.3f}", _target(each)] for each in costs]
    return [*found, Table(["mapping", "bytes", "CPU ms", "target"], rows, "mapping", text_columns={"target"})]


def _throughput(workload: Workload, measurements: Sequence[Measurement]) -> Table:
    measured = [each for each in measurements if each.workload == workload.name]
    by_hand = next((each.per_second for each in measured if each.contender == BY_HAND.name), None)
    headings = ["contender", "events/s", "of by hand", "CPU ms", "MiB", "machine busy", NOTES]
    rows = [
        [
            each.contender,
            _number(each.per_second, ",.0f"),
            _number(each.per_second / by_hand if each.per_second and by_hand else None, ".0%"),
            _number(each.cpu_ms, ".2f"),
            _number(each.memory_mib, ".0f"),
            _number(each.machine, ".0%"),
            _notes(each),
        ]
        for each in measured
    ]
    caption = workload.description[0].upper() + workload.description[1:] + "."
    if workload.latency:
        caption += f" 64 events in flight allow {workload.ideal_rate:,.0f} a second."
    return Table(headings, rows, workload.name, caption, {NOTES})


def _target(cost: MappingCost) -> str:
    return f"≤ {MAX_MS[cost.format]:g} ms: {'met' if cost.met else 'not met'}"


def _notes(measured: Measurement) -> str:
    texts = [f"{measured.errors} not enriched"] * bool(measured.errors)
    texts += [f"{measured.duplicates} twice"] * bool(measured.duplicates)
    texts += [f"did not run: {measured.failure}"] * bool(measured.failure)
    return "; ".join(texts)


def _number(value: float | None, number_format: str) -> str:
    return "" if value is None else format(value, number_format)


def plot(measurements: Sequence[Measurement], costs: Sequence[MappingCost]) -> Figure:
    """Draw events a second and processor time for each workload, and the mapping with its limits."""
    figure = Figure(figsize=(14, 3 * (len(WORKLOADS) + 1)), layout="constrained")
    axes = figure.subplots(len(WORKLOADS) + 1, 2)
    for workload, (rate, cpu) in zip(WORKLOADS, axes, strict=False):
        measured = [each for each in measurements if each.workload == workload.name and not each.failure]
        names = [each.contender for each in measured]
        colours = [_COLOURS[name.split()[0]] for name in names]
        title = f"{workload.name}: {workload.description}"
        _bars(rate, f"{title}\nevents a second", names, [each.per_second or 0 for each in measured], colours, ",.0f")
        _bars(cpu, f"{title}\nCPU ms an event", names, [each.cpu_ms or 0 for each in measured], colours, ".2f")
    for axis, (name, limit) in zip(axes[-1], MAX_MS.items(), strict=True):
        shown = [each for each in costs if each.format == name]
        title = f"mapping, {name}: CPU ms an event (dashed: the target)"
        _bars(axis, title, [each.case for each in shown], [each.ms for each in shown], ["#2f6db3"] * len(shown), ".3f")
        axis.axvline(limit, color="#b22222", linestyle="--", linewidth=1.2)
    return figure


def _bars(
    axis: Axes, title: str, names: Sequence[str], values: Sequence[float], colours: Sequence[str], number_format: str
) -> None:
    bars = axis.barh(names, values, color=colours)
    axis.bar_label(bars, [format(value, number_format) for value in values], padding=3)
    axis.invert_yaxis()
    axis.margins(x=0.15)
    axis.set_title(title, loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)

"""The figures for people: tables, and a picture of the memory."""

from matplotlib.figure import Figure

from benchmarks.results import Table
from benchmarks.waiting.memory import Memory
from benchmarks.waiting.traffic import LATENCY, Counted

ABOUT = f"""\
A live stream whose model takes {LATENCY * 1000:g} ms, alone, and then beside requests that can wait. *p50*, *p99*: from
sending to reply. *By batch*: answered at half the price; *the same, live*: what they would have cost otherwise.
*First*, *most* and *last* are of the memory of the process while requests wait, which the picture shows."""


def tables(alone: Counted, beside: Counted, waiting: Counted, memory: Memory) -> list[Table]:
    """The live stream, the requests that wait, and the memory of both workers."""
    streams = []
    for name, counted in (("alone", alone), ("beside requests that wait", beside)):
        p99 = counted.quantile(0.99)
        streams.append(
            [
                name,
                f"{len(counted.seconds):,}",
                f"{counted.quantile(0.5) * 1000:.0f}",
                f"{p99 * 1000:.0f}",
                f"{p99 / alone.quantile(0.99):.0%}",
                f"{counted.cost_usd:.4f}",
            ]
        )
    heap = [f"{len(waiting.seconds):,}", f"{waiting.by_batch:,}", f"{waiting.cost_usd:.4f}"]
    heap += [f"{waiting.cost_usd * 2:.4f}", f"{max(waiting.seconds):.0f} s"]
    held = [
        [name, f"{samples[0][1]:.0f}", f"{memory.most(name):.0f}", f"{samples[-1][1]:.0f}"]
        for name, samples in memory.samples.items()
    ]
    return [
        Table(["live stream", "requests", "p50 ms", "p99 ms", "p99 against alone", "US dollars"], streams),
        Table(["requests that wait", "by batch", "US dollars", "the same, live", "last reply after"], [heap]),
        Table(["process", "first MiB", "most MiB", "last MiB"], held),
    ]


def plot(memory: Memory) -> Figure:
    """Memory over time."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for name, samples in memory.samples.items():
        axes.plot(*zip(*samples, strict=True), label=name)
    axes.set_xlabel("seconds")
    axes.set_ylabel("resident MiB")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure

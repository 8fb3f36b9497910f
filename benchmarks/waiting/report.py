"""Tables for readers, and a plot of the memory."""

from matplotlib.figure import Figure

from benchmarks.results import Table
from benchmarks.waiting.memory import MemorySampler
from benchmarks.waiting.traffic import LATENCY, ReplyStats

ABOUT = f"""\
A live stream whose model takes {LATENCY * 1000:g} ms, by itself, then next to deferrable requests. *p50*, *p99*: from
sending to reply. *By batch*: answered at half the price; *the same, live*: what they would have cost otherwise.
*First*, *most* and *last* are of the memory of the process while requests wait, which the picture shows.
The server that plays the provider of batches runs when a processor is idle: a provider has machines of its own."""


def tables(baseline: ReplyStats, loaded: ReplyStats, deferred: ReplyStats, memory: MemorySampler) -> list[Table]:
    """Return the tables of the live stream, the deferred requests, and the memory of both workers."""
    streams = []
    for name, counted in (("by itself", baseline), ("next to deferrable requests", loaded)):
        p99 = counted.quantile(0.99)
        streams.append(
            [
                name,
                f"{len(counted.seconds):,}",
                f"{counted.quantile(0.5) * 1000:.0f}",
                f"{p99 * 1000:.0f}",
                f"{p99 / baseline.quantile(0.99):.0%}",
                f"{counted.cost_usd:.4f}",
            ]
        )
    heap = [f"{len(deferred.seconds):,}", f"{deferred.by_batch:,}", f"{deferred.cost_usd:.4f}"]
    heap += [f"{deferred.cost_usd * 2:.4f}", f"{max(deferred.seconds):.0f} s"]
    held = [
        [name, f"{samples[0][1]:.0f}", f"{memory.max_mib(name):.0f}", f"{samples[-1][1]:.0f}"]
        for name, samples in memory.samples.items()
    ]
    return [
        Table(["live stream", "requests", "p50 ms", "p99 ms", "p99 ratio", "US dollars"], streams),
        Table(["deferrable requests", "by batch", "US dollars", "the same, live", "last reply after"], [heap]),
        Table(["process", "first MiB", "most MiB", "last MiB"], held),
    ]


def plot(memory: MemorySampler) -> Figure:
    """Draw memory over time."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for name, samples in memory.samples.items():
        axes.plot(*zip(*samples, strict=True), label=name)
    axes.set_xlabel("seconds")
    axes.set_ylabel("resident MiB")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure

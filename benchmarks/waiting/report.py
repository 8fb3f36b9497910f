"""The figures for people: a table in Markdown, and a picture of the memory."""

from pathlib import Path

import matplotlib as mpl

from benchmarks.waiting.memory import Memory
from benchmarks.waiting.traffic import Counted


def table(alone: Counted, beside: Counted, waiting: Counted, memory: Memory) -> str:
    """What was measured, in Markdown."""
    lines = [
        "| live stream | requests | p50 ms | p99 ms | p99 against alone | US dollars |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, counted in (("alone", alone), ("beside requests that wait", beside)):
        p99 = counted.quantile(0.99)
        lines.append(
            f"| {name} | {len(counted.seconds):,} | {counted.quantile(0.5) * 1000:.0f} | {p99 * 1000:.0f} "
            f"| {p99 / alone.quantile(0.99):.0%} | {counted.cost_usd:.4f} |"
        )
    lines += [
        "",
        "| requests that wait | by batch | US dollars | the same, live | last reply after |",
        "| ---: | ---: | ---: | ---: | ---: |",
        (
            f"| {len(waiting.seconds):,} | {waiting.by_batch:,} | {waiting.cost_usd:.4f} | {waiting.cost_usd * 2:.4f} "
            f"| {max(waiting.seconds):.0f} s |"
        ),
        "",
        "| process | first MiB | most MiB | last MiB |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {samples[0][1]:.0f} | {memory.most(name):.0f} | {samples[-1][1]:.0f} |"
        for name, samples in memory.samples.items()
    ]
    return "\n".join(lines) + "\n"


def plot(memory: Memory, file: Path) -> None:
    """Memory over time."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4))
    for name, samples in memory.samples.items():
        axes.plot(*zip(*samples, strict=True), label=name)
    axes.set_xlabel("seconds")
    axes.set_ylabel("resident MiB")
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.tight_layout()
    figure.savefig(file)
    plt.close(figure)

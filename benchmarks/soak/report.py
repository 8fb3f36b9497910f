"""The figures for people, in Markdown."""

import statistics
from collections import Counter
from collections.abc import Mapping

from benchmarks.soak.flatness import LEAST_SECONDS, growth, quarters
from benchmarks.soak.record import Record
from benchmarks.soak.schedule import BROKER, KILL, PAUSE, PROVIDER
from benchmarks.soak.verdict import HANDLES_AN_HOUR, MIB_AN_HOUR, problems

WORDS = {
    KILL: "worker killed and started again",
    PAUSE: "worker stopped and continued",
    BROKER: "broker restarted",
    PROVIDER: "provider gone",
}

_LIFE = (
    "process",
    "minutes",
    "MiB, first quarter",
    "MiB, last quarter",
    "MiB an hour",
    "handles, first quarter",
    "handles, last quarter",
    "handles an hour",
    "threads, most",
    "processor",
)
_EXPLAINED = f"""\
Quarters are medians. What a process rises by an hour is taken over the second half of its life, and judged where it
lived {LEAST_SECONDS / 60:g} minutes: {MIB_AN_HOUR:g} MiB and {HANDLES_AN_HOUR:g} handles are allowed. Codes
other than `ok` are error replies; `ReplyTimeout` is a client that had stopped waiting."""


def markdown(record: Record) -> str:
    """All of it, as `soak.md`."""
    parts = [
        "# Soak",
        _rows(("", ""), {**record.about, "faults": _faults(record), **_counted(record)}),
        _rows(
            _LIFE,
            {life: _life(record, life) for life in record.series("mib")},
        ),
        _EXPLAINED,
        _rows(("", "first quarter", "last quarter"), _lines(record)),
        f"Verdict: {'; '.join(problems(record)) or 'as promised'}.",
    ]
    return "\n\n".join(parts) + "\n"


def _rows(head: tuple[str, ...], rows: Mapping[str, str | tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1) if len(head) > 2 else ' --- |'}"]
    for name, cells in rows.items():
        lines.append(f"| {name} | {cells if isinstance(cells, str) else ' | '.join(cells)} |")
    return "\n".join(lines)


def _faults(record: Record) -> str:
    counts = Counter(each.kind for each in record.happened)
    return ", ".join(f"{counts[kind]} × {words}" for kind, words in WORDS.items() if counts[kind])


def _counted(record: Record) -> dict[str, str]:
    codes = sum((Counter(each.codes) for each in record.intervals), Counter[str]())
    return {
        "requests": f"{record.asked:,} asked, {record.requests:,} in Kafka",
        "replies": ", ".join(f"{count:,} `{code}`" for code, count in codes.most_common()),
        "lost": str(record.lost),
        "doubled": str(record.doubled),
    }


def _life(record: Record, life: str) -> tuple[str, ...]:
    memory, handles, cpu = (record.series(what)[life] for what in ("mib", "handles", "cpu_seconds"))
    seconds = memory[-1][0] - memory[0][0]
    busy = (cpu[-1][1] - cpu[0][1]) / seconds if seconds else 0.0
    return (
        f"{seconds / 60:.1f}",
        *(f"{value:.1f}" for value in quarters(memory)),
        _rise(growth(memory), ".1f"),
        *(f"{value:.0f}" for value in quarters(handles)),
        _rise(growth(handles), ".1f"),
        f"{max(value for _, value in record.series('threads')[life]):.0f}",
        f"{busy:.0%}",
    )


def _rise(value: float | None, form: str) -> str:
    return "" if value is None else format(value, f"+{form}")


def _lines(record: Record) -> dict[str, tuple[str, ...]]:
    """What is not of one process, in the first and the last quarter of the time."""
    end = record.intervals[-1].at
    first = [each for each in record.intervals if each.at <= end / 4]
    last = [each for each in record.intervals if each.at >= end * 3 / 4]

    def medians(values: list[list[float]], form: str) -> tuple[str, ...]:
        return tuple(format(statistics.median(each), form) if each else "" for each in values)

    both = (first, last)
    return {
        "lag, all tasks, median": medians(
            [[sum(each.lag.values()) for each in part if each.lag is not None] for part in both], ".0f"
        ),
        "p50, median, s": medians([[each.p50 for each in part if each.p50 is not None] for part in both], ".2f"),
        "p99, median, s": medians([[each.p99 for each in part if each.p99 is not None] for part in both], ".2f"),
    }

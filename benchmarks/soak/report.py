"""Tables of a soak for readers."""

import statistics
from collections import Counter

from benchmarks.results import Table
from benchmarks.soak.flatness import MIN_SECONDS, growth_per_hour, quarters
from benchmarks.soak.pass_criteria import MAX_HANDLES_PER_HOUR, MAX_MIB_PER_HOUR, problems
from benchmarks.soak.record import SoakRecord
from benchmarks.soak.schedule import BROKER, KILL, PAUSE, PROVIDER

FAULT_DESCRIPTIONS = {
    KILL: "worker killed and started again",
    PAUSE: "worker stopped and continued",
    BROKER: "broker restarted",
    PROVIDER: "provider gone",
}

_PROCESS_COLUMNS = (
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
ABOUT = f"""\
Two processes of all services on Apache Kafka, delivering `exactly_once`, under mixed load while things go wrong;
[what is sent, and what goes wrong](../../../docs/understand/soak.md).
Quarters are medians. What a process rises by an hour is taken over the
second half of its life, and judged if it lived {MIN_SECONDS / 60:g} minutes: {MAX_MIB_PER_HOUR:g} MiB and
{MAX_HANDLES_PER_HOUR:g} handles are allowed. Codes other than `ok` are error replies; `ReplyTimeout` is a client that
had stopped waiting."""


def tables(record: SoakRecord) -> list[Table]:
    """Return the tables of the totals, of each process, and of the values that belong to no single process."""
    totals = {"faults": _faults(record), **_totals(record), "verdict": "; ".join(problems(record)) or "as promised"}
    return [
        Table(("", "all"), list(totals.items()), text_columns=["all"]),
        Table(_PROCESS_COLUMNS, [(life, *_process_cells(record, life)) for life in record.series("mib")]),
        Table(
            ("", "first quarter", "last quarter"), [(name, *cells) for name, cells in _interval_rows(record).items()]
        ),
    ]


def _faults(record: SoakRecord) -> str:
    counts = Counter(each.kind for each in record.happened)
    return ", ".join(f"{counts[kind]} × {words}" for kind, words in FAULT_DESCRIPTIONS.items() if counts[kind])


def _totals(record: SoakRecord) -> dict[str, str]:
    codes = sum((Counter(each.codes) for each in record.intervals), Counter[str]())
    return {
        "requests": f"{record.asked:,} asked, {record.requests:,} in Kafka",
        "replies": ", ".join(f"{count:,} `{code}`" for code, count in codes.most_common()),
        "lost": str(record.lost),
        "doubled": str(record.doubled),
    }


def _process_cells(record: SoakRecord, life: str) -> tuple[str, ...]:
    memory, handles, cpu = (record.series(what)[life] for what in ("mib", "handles", "cpu_seconds"))
    seconds = memory[-1][0] - memory[0][0]
    busy = (cpu[-1][1] - cpu[0][1]) / seconds if seconds else 0.0
    return (
        f"{seconds / 60:.1f}",
        *(f"{value:.1f}" for value in quarters(memory)),
        _signed(growth_per_hour(memory), ".1f"),
        *(f"{value:.0f}" for value in quarters(handles)),
        _signed(growth_per_hour(handles), ".1f"),
        f"{max(value for _, value in record.series('threads')[life]):.0f}",
        f"{busy:.0%}",
    )


def _signed(value: float | None, form: str) -> str:
    return "" if value is None else format(value, f"+{form}")


def _interval_rows(record: SoakRecord) -> dict[str, tuple[str, ...]]:
    """Return the values that belong to no single process, in the first and the last quarter of the time."""
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

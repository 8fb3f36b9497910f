"""The figures for people: tables, on the terminal and in Markdown."""

from collections.abc import Callable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.aims import KNOWN, added_ms, share_of_raw, verdicts
from benchmarks.measuring import Measurement
from benchmarks.workloads import WORKLOADS, Workload

AIMS = "aims"
_IN_FILE_ONLY = {"MiB", "machine busy"}  # a terminal is narrow
_Column = tuple[str, Callable[[Measurement], str]]


def columns(workload: Workload, everybody: Sequence[Measurement]) -> list[_Column]:
    """The columns of a workload's table: a heading, and a measurement's cell under it."""
    if workload.rate:
        own: list[_Column] = [
            ("p50 ms", lambda each: _number(each.p50_ms, ".1f")),
            ("p99 ms", lambda each: _number(each.p99_ms, ".1f")),
            ("added at p50", lambda each: _number(added_ms(each, everybody), "+.1f")),
        ]
    else:
        own = [("replies/s", lambda each: _number(each.per_second, ",.0f"))]
        if workload.latency:
            own.append(("of ideal", lambda each: _number(each.efficiency, ".1%")))
        else:
            own.append(("of raw", lambda each: _number(share_of_raw(each, everybody), ".0%")))
    return [
        ("contender", lambda each: each.contender),
        *own,
        ("CPU ms", lambda each: _number(each.cpu_ms, ".2f")),
        ("MiB", lambda each: _number(each.memory_mib, ".0f")),
        ("machine busy", lambda each: _number(each.machine, ".0%")),
        (AIMS, lambda each: _aims(each, everybody)),
    ]


def markdown(everybody: Sequence[Measurement], about: str) -> str:
    """All tables, as `results.md`."""
    parts = ["# Benchmark", about]
    for workload, measured in _by_workload(everybody):
        table = columns(workload, everybody)
        lines = [
            f"## {workload.name}\n\n{_caption(workload)}\n",
            "| " + " | ".join(heading for heading, _ in table) + " |",
            "| --- |" + " ---: |" * (len(table) - 2) + " --- |",
            *("| " + " | ".join(cell(each) for _, cell in table) + " |" for each in measured),
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def show(console: Console, everybody: Sequence[Measurement]) -> None:
    """All tables, on the terminal."""
    for workload, measured in _by_workload(everybody):
        table = Table(title=f"{workload.name}: {workload.what}", title_justify="left", box=box.SIMPLE_HEAD)
        shown = [column for column in columns(workload, everybody) if column[0] not in _IN_FILE_ONLY]
        for index, (heading, _) in enumerate(shown):
            words = index == 0 or heading == AIMS
            table.add_column(heading, justify="left" if words else "right", no_wrap=heading != AIMS)
        for each in measured:
            cells = [cell(each) for _, cell in shown]
            style = "red" if "not met" in cells[-1] or each.failure else None
            table.add_row(*cells, style=style)
        console.print(table)


def line(measured: Measurement) -> str:
    """One measurement in a line, as it comes."""
    if measured.failure:
        return f"did not run: {measured.failure}"
    if measured.p50_ms is not None:
        return f"{measured.p50_ms:.1f} ms at p50, {_number(measured.cpu_ms, '.2f')} ms CPU"
    return f"{_number(measured.per_second, ',.0f')} replies/s, {_number(measured.cpu_ms, '.2f')} ms CPU"


def _by_workload(everybody: Sequence[Measurement]) -> list[tuple[Workload, list[Measurement]]]:
    found = [(workload, [each for each in everybody if each.workload == workload.name]) for workload in WORKLOADS]
    return [(workload, measured) for workload, measured in found if measured]


def _caption(workload: Workload) -> str:
    text = workload.what[0].upper() + workload.what[1:] + "."
    if workload.latency:
        text += f" The ideal is window/latency: {workload.ideal:,.0f} replies a second."
    if workload.name == "sleep-50ms":
        others = ", ".join(f"{name} {share:.0%}" for name, share in KNOWN.items())
        text += f" Others, measured elsewhere on the same work: {others}."
    return text


def _aims(measured: Measurement, everybody: Sequence[Measurement]) -> str:
    said = [f"{verdict.aim}: {'met' if verdict.met else 'not met'}" for verdict in verdicts(measured, everybody)]
    if measured.errors:
        said.append(f"{measured.errors} error replies")
    if measured.doubled:
        said.append(f"{measured.doubled} answered twice")
    if measured.failure:
        said.append(f"did not run: {measured.failure}")
    return "; ".join(said)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)

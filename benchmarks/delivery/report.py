"""The figures for people: tables, and a line while they come."""

from collections.abc import Callable, Sequence

from benchmarks.delivery.aims import added_ms, share_of_raw, verdicts
from benchmarks.delivery.measuring import Measurement
from benchmarks.delivery.workloads import WINDOW, WORKLOADS, Workload
from benchmarks.results import Table

AIMS = "aims"
ABOUT = f"""\
From Kafka to Kafka. *Of ideal*: replies a second, as a share of what a window of {WINDOW} requests in flight allows.
*Of raw*: as a share of the bare aiokafka loop's, which loses nothing either, and ends at one bad record. *CPU ms*:
processor time of the contender's process for a request. *MiB*: the most memory it held. *Machine busy*: all
processors, broker included; at 100% they set the figure. *As shipped* logs each request, the others warnings alone.
FastStream without `ACK` commits by the clock, so that a crash loses requests. *Aims*: what Carteiro is
meant to reach."""
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


def tables(everybody: Sequence[Measurement]) -> list[Table]:
    """One for each workload that was measured."""
    made = []
    for workload in WORKLOADS:
        if measured := [each for each in everybody if each.workload == workload.name]:
            headings, cells = zip(*columns(workload, everybody), strict=True)
            rows = [[cell(each) for cell in cells] for each in measured]
            made.append(Table(headings, rows, workload.name, _caption(workload), {AIMS}))
    return made


def line(measured: Measurement) -> str:
    """One measurement in a line, as it comes."""
    if measured.failure:
        return f"did not run: {measured.failure}"
    if measured.p50_ms is not None:
        return f"{measured.p50_ms:.1f} ms at p50, {_number(measured.cpu_ms, '.2f')} ms CPU"
    return f"{_number(measured.per_second, ',.0f')} replies/s, {_number(measured.cpu_ms, '.2f')} ms CPU"


def _caption(workload: Workload) -> str:
    text = workload.what[0].upper() + workload.what[1:] + "."
    if workload.latency:
        text += f" The ideal is window/latency: {workload.ideal:,.0f} replies a second."
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

"""Tables and progress lines for readers."""

from collections.abc import Callable, Sequence

from benchmarks.delivery.measurement import Measurement
from benchmarks.delivery.targets import added_ms, share_of_raw, target_results
from benchmarks.delivery.workloads import MAX_IN_FLIGHT, WORKLOADS, Workload
from benchmarks.results import Table

TARGETS = "targets"
ABOUT = f"""\
From Kafka to Kafka. *Of ideal*: replies a second, as a share of what {MAX_IN_FLIGHT} requests in flight allow, or
the workload's own limit. *Of raw*: as a share of the bare aiokafka loop's, which loses nothing either, and ends at
one bad record. *CPU ms*: processor time of the contender's process for a request. *MiB*: the most memory it held.
*Machine busy*: all processors, broker included; at 100% they set the figure. *As shipped* logs each request, the
others only warnings. FastStream without `ACK` commits by the clock, so that a crash loses requests. *Targets*: what
Carteiro should reach.

*Share consumer* is Kafka's own (KIP-932), of its Java client, with explicit acknowledgement. It polls again only
after all requests of its last poll are acknowledged, so a slow request holds up the others. *x64* is 64 of them in
one process, each with one request. They call the model's server by the HTTP client of the JVM, not by the SDK. Their
processor time includes the JVM's compiler, which weighs more in seconds than in days. Without a JDK they are left
out."""
_Column = tuple[str, Callable[[Measurement], str]]


def columns(workload: Workload, measurements: Sequence[Measurement]) -> list[_Column]:
    """Return the columns of a workload's table: a heading, and a function that formats a measurement's cell."""
    if workload.rate:
        own: list[_Column] = [
            ("p50 ms", lambda each: _number(each.p50_ms, ".1f")),
            ("p99 ms", lambda each: _number(each.p99_ms, ".1f")),
            ("added at p50", lambda each: _number(added_ms(each, measurements), "+.1f")),
        ]
    else:
        own = [("replies/s", lambda each: _number(each.per_second, ",.0f"))]
        if workload.latency:
            own.append(("of ideal", lambda each: _number(each.efficiency, ".1%")))
        else:
            own.append(("of raw", lambda each: _number(share_of_raw(each, measurements), ".0%")))
    return [
        ("contender", lambda each: each.contender),
        *own,
        ("CPU ms", lambda each: _number(each.cpu_ms, ".2f")),
        ("MiB", lambda each: _number(each.memory_mib, ".0f")),
        ("machine busy", lambda each: _number(each.machine, ".0%")),
        (TARGETS, lambda each: _targets_cell(each, measurements)),
    ]


def tables(measurements: Sequence[Measurement]) -> list[Table]:
    """Return a table for each workload with measurements."""
    found = []
    for workload in WORKLOADS:
        if measured := [each for each in measurements if each.workload == workload.name]:
            headings, cells = zip(*columns(workload, measurements), strict=True)
            rows = [[cell(each) for cell in cells] for each in measured]
            found.append(Table(headings, rows, workload.name, _caption(workload), {TARGETS}))
    return found


def progress_line(measured: Measurement) -> str:
    """Return a measurement in one line."""
    if measured.failure:
        return f"did not run: {measured.failure}"
    if measured.p50_ms is not None:
        return f"{measured.p50_ms:.1f} ms at p50, {_number(measured.cpu_ms, '.2f')} ms CPU"
    return f"{_number(measured.per_second, ',.0f')} replies/s, {_number(measured.cpu_ms, '.2f')} ms CPU"


def _caption(workload: Workload) -> str:
    text = workload.description[0].upper() + workload.description[1:] + "."
    if workload.latency:
        text += f" The ideal is the limit in flight/latency: {workload.ideal_rate:,.0f} replies a second."
    return text


def _targets_cell(measured: Measurement, measurements: Sequence[Measurement]) -> str:
    texts = [
        f"{result.target}: {'met' if result.met else 'not met'}" for result in target_results(measured, measurements)
    ]
    if measured.errors:
        texts.append(f"{measured.errors} error replies")
    if measured.duplicates:
        texts.append(f"{measured.duplicates} answered twice")
    if measured.failure:
        texts.append(f"did not run: {measured.failure}")
    return "; ".join(texts)


def _number(value: float | None, number_format: str) -> str:
    return "" if value is None else format(value, number_format)

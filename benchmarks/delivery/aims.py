"""What Carteiro is meant to reach, and whether it does."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.delivery.contenders import AT_LEAST_ONCE, EXACTLY_ONCE, RAW
from benchmarks.delivery.measuring import Measurement
from benchmarks.delivery.workloads import WORKLOADS

EFFICIENCY = 0.97
SHARE_OF_RAW = 1 / 3
CPU_MS = 1.5
ADDED_MS = {AT_LEAST_ONCE.name: 10.0, EXACTLY_ONCE.name: 60.0}

_WORKLOADS = {workload.name: workload for workload in WORKLOADS}


@dataclass(frozen=True, slots=True)
class Verdict:
    """An aim in words, and whether the measurement meets it."""

    aim: str
    met: bool


def verdicts(measured: Measurement, everybody: Sequence[Measurement]) -> list[Verdict]:
    """The aims that a measurement has, if it is one of Carteiro's two modes."""
    if measured.contender not in ADDED_MS or measured.failure:
        return []
    workload = _WORKLOADS[measured.workload]
    found = []
    if measured.efficiency is not None:
        found.append(Verdict(f"≥ {EFFICIENCY:.0%}", measured.efficiency >= EFFICIENCY))
    if workload.through_sdk and measured.cpu_ms is not None:
        found.append(Verdict(f"≤ {CPU_MS:g} ms CPU", measured.cpu_ms <= CPU_MS))
    share = share_of_raw(measured, everybody)
    if not workload.latency and measured.contender == AT_LEAST_ONCE.name and share is not None:
        found.append(Verdict("≥ 1/3 of raw", share >= SHARE_OF_RAW))
    added = added_ms(measured, everybody)
    if added is not None:
        most = ADDED_MS[measured.contender]
        found.append(Verdict(f"≤ {most:g} ms added", added <= most))
    return found


def share_of_raw(measured: Measurement, everybody: Sequence[Measurement]) -> float | None:
    """Replies a second, as a share of the raw loop's at the same workload."""
    raw = _raw(measured, everybody)
    if raw is None or measured.per_second is None or raw.per_second is None:
        return None
    return measured.per_second / raw.per_second


def added_ms(measured: Measurement, everybody: Sequence[Measurement]) -> float | None:
    """Milliseconds at p50 above the raw loop's."""
    raw = _raw(measured, everybody)
    if raw is None or measured.p50_ms is None or raw.p50_ms is None:
        return None
    return measured.p50_ms - raw.p50_ms


def _raw(measured: Measurement, everybody: Sequence[Measurement]) -> Measurement | None:
    return next((each for each in everybody if (each.workload, each.contender) == (measured.workload, RAW.name)), None)

"""Carteiro's targets, and their check."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.delivery.contenders import AT_LEAST_ONCE, EXACTLY_ONCE, RAW
from benchmarks.delivery.measurement import Measurement
from benchmarks.delivery.workloads import WORKLOADS

MIN_EFFICIENCY = 0.97
MIN_SHARE_OF_RAW = 1 / 3
MAX_CPU_MS = 1.0
MAX_ADDED_MS = {AT_LEAST_ONCE.name: 10.0, EXACTLY_ONCE.name: 60.0}

_WORKLOADS = {workload.name: workload for workload in WORKLOADS}


@dataclass(frozen=True, slots=True)
class TargetResult:
    """A target in words. `met` is true if the measurement meets it."""

    target: str
    met: bool


def target_results(measured: Measurement, measurements: Sequence[Measurement]) -> list[TargetResult]:
    """Return the results of a measurement's targets, if it is one of Carteiro's two modes."""
    if measured.contender not in MAX_ADDED_MS or measured.failure:
        return []
    workload = _WORKLOADS[measured.workload]
    found = []
    if measured.efficiency is not None:
        found.append(TargetResult(f"≥ {MIN_EFFICIENCY:.0%}", measured.efficiency >= MIN_EFFICIENCY))
    if workload.through_sdk and measured.cpu_ms is not None:
        found.append(TargetResult(f"≤ {MAX_CPU_MS:g} ms CPU", measured.cpu_ms <= MAX_CPU_MS))
    share = share_of_raw(measured, measurements)
    if not workload.latency and measured.contender == AT_LEAST_ONCE.name and share is not None:
        found.append(TargetResult("≥ 1/3 of raw", share >= MIN_SHARE_OF_RAW))
    added = added_ms(measured, measurements)
    if added is not None:
        most = MAX_ADDED_MS[measured.contender]
        found.append(TargetResult(f"≤ {most:g} ms added", added <= most))
    return found


def share_of_raw(measured: Measurement, measurements: Sequence[Measurement]) -> float | None:
    """Return the replies a second as a share of the raw loop's at the same workload."""
    raw = _raw(measured, measurements)
    if raw is None or measured.per_second is None or raw.per_second is None:
        return None
    return measured.per_second / raw.per_second


def added_ms(measured: Measurement, measurements: Sequence[Measurement]) -> float | None:
    """Return the milliseconds at p50 above the raw loop's."""
    raw = _raw(measured, measurements)
    if raw is None or measured.p50_ms is None or raw.p50_ms is None:
        return None
    return measured.p50_ms - raw.p50_ms


def _raw(measured: Measurement, measurements: Sequence[Measurement]) -> Measurement | None:
    return next(
        (each for each in measurements if (each.workload, each.contender) == (measured.workload, RAW.name)), None
    )

"""From what a run left behind to its figures. Plain data in, plain data out."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.delivery.kafka import Reply
from benchmarks.delivery.processes import Sample, used


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The figures of one contender at one workload; `failure` says why there are none."""

    workload: str
    contender: str
    replies: int = 0
    errors: int = 0
    """Replies that are not `ok`."""
    doubled: int = 0
    """Replies to a request that already had one."""
    per_second: float | None = None
    efficiency: float | None = None
    """Replies a second, as a share of window/latency."""
    p50_ms: float | None = None
    p99_ms: float | None = None
    cpu_ms: float | None = None
    """User and system time of the contender's process for a request, start-up left out."""
    memory_mib: float | None = None
    machine: float | None = None
    """How busy all processors were, broker and others included: at 1 they set the figure, not the contender."""
    failure: str | None = None


class TooFew(Exception):
    """There are not enough replies to measure anything."""


def stretch(times: Sequence[int], in_flight: int) -> tuple[int, int]:
    """The replies, by index, between which the rate is taken.

    The first two windows of replies and the last are left out: connections are opened, the backlog ends, or the stop
    drains. Between them lies a whole number of windows, so that one who answers a window at a time is not flattered.
    """
    first = 2 * in_flight
    rounds = (len(times) - 1 - in_flight - first) // in_flight
    if rounds < 1:
        raise TooFew(f"{len(times)} replies are too few to measure")
    return first, first + rounds * in_flight


def throughput(
    workload: str, contender: str, replies: list[Reply], samples: list[Sample], in_flight: int, ideal: float | None
) -> Measurement:
    """The figures of a backlog. Raises `TooFew`."""
    times = sorted(reply.at_ms for reply in replies)
    first, last = stretch(times, in_flight)
    begin, end = times[first] / 1000, times[last] / 1000
    per_second = (last - first) / (end - begin)
    return Measurement(
        workload=workload,
        contender=contender,
        per_second=per_second,
        efficiency=per_second / ideal if ideal else None,
        **_common(replies, used(samples, begin, end), last - first),
    )


def latency(
    workload: str, contender: str, replies: list[Reply], samples: list[Sample], delays_ms: Sequence[float]
) -> Measurement:
    """The figures of requests that came one by one, by how long each waited for its reply. Raises `TooFew`."""
    if len(delays_ms) < 20:
        raise TooFew(f"{len(delays_ms)} replies are too few to measure")
    percentiles = statistics.quantiles(delays_ms, n=100)
    return Measurement(
        workload=workload,
        contender=contender,
        p50_ms=percentiles[49],
        p99_ms=percentiles[98],
        **_common(replies, used(samples, samples[0].at, samples[-1].at), len(delays_ms)),
    )


def _common(replies: list[Reply], usage: Sample, count: int) -> dict[str, Any]:
    return {
        "replies": len(replies),
        "errors": sum(not reply.ok for reply in replies),
        "doubled": len(replies) - len({reply.request for reply in replies}),
        "cpu_ms": usage.cpu * 1000 / count,
        "memory_mib": usage.memory / 2**20,
        "machine": usage.machine / usage.at / psutil.cpu_count(),
    }

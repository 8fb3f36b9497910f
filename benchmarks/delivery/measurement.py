"""Figures of a run, computed from its replies and samples. Plain data in, plain data out."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.delivery.kafka import MeasuredReply
from benchmarks.delivery.processes import UsageSample, usage_between


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The figures of one contender with one workload. `failure` says why there are none."""

    workload: str
    contender: str
    replies: int = 0
    errors: int = 0
    """Number of replies that are not `ok`."""
    duplicates: int = 0
    """Number of replies to a request that already had a reply."""
    per_second: float | None = None
    efficiency: float | None = None
    """Replies a second, as a share of the concurrency limit divided by the latency."""
    p50_ms: float | None = None
    p99_ms: float | None = None
    cpu_ms: float | None = None
    """User and system time of the contender's process for a request, in milliseconds, without the start."""
    memory_mib: float | None = None
    machine: float | None = None
    """Utilisation of all processors, with the broker and others. At 1 they limit the result, not the contender."""
    failure: str | None = None


class TooFewReplies(Exception):
    """There are too few replies to measure."""


def steady_range(times: Sequence[int], in_flight: int) -> tuple[int, int]:
    """Return the first and the last index of the replies for the rate.

    The first two rounds and the last are left out: connections are opened, the backlog ends, the stop drains. A round
    is `in_flight` replies. The range is whole rounds, so a contender that answers a round at once has no advantage.
    """
    first = 2 * in_flight
    rounds = (len(times) - 1 - in_flight - first) // in_flight
    if rounds < 1:
        raise TooFewReplies(f"{len(times)} replies are too few to measure")
    return first, first + rounds * in_flight


def throughput(
    workload: str,
    contender: str,
    replies: list[MeasuredReply],
    samples: list[UsageSample],
    in_flight: int,
    ideal: float | None,
) -> Measurement:
    """Return the figures of a backlog. Raise `TooFewReplies` if there are too few."""
    times = sorted(reply.at_ms for reply in replies)
    first, last = steady_range(times, in_flight)
    begin, end = times[first] / 1000, times[last] / 1000
    per_second = (last - first) / (end - begin)
    return Measurement(
        workload=workload,
        contender=contender,
        per_second=per_second,
        efficiency=per_second / ideal if ideal else None,
        **_common(replies, usage_between(samples, begin, end), last - first),
    )


def latency(
    workload: str, contender: str, replies: list[MeasuredReply], samples: list[UsageSample], delays_ms: Sequence[float]
) -> Measurement:
    """Return the figures of single requests, from the delays of their replies. Raise `TooFewReplies` if too few."""
    if len(delays_ms) < 20:
        raise TooFewReplies(f"{len(delays_ms)} replies are too few to measure")
    percentiles = statistics.quantiles(delays_ms, n=100)
    return Measurement(
        workload=workload,
        contender=contender,
        p50_ms=percentiles[49],
        p99_ms=percentiles[98],
        **_common(replies, usage_between(samples, samples[0].at, samples[-1].at), len(delays_ms)),
    )


def _common(replies: list[MeasuredReply], usage: UsageSample, count: int) -> dict[str, Any]:
    return {
        "replies": len(replies),
        "errors": sum(not reply.ok for reply in replies),
        "duplicates": len(replies) - len({reply.request for reply in replies}),
        "cpu_ms": usage.cpu * 1000 / count,
        "memory_mib": usage.memory / 2**20,
        "machine": usage.machine / usage.at / psutil.cpu_count(),
    }

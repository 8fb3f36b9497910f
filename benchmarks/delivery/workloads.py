"""Workloads of the contenders."""

from dataclasses import dataclass

from benchmarks.delivery.traffic import REQUESTS, RecordKind

MAX_IN_FLIGHT = 64
"""Requests in flight per partition, for contenders with such a limit, unless a workload has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A backlog that exists before the contender starts, or requests that arrive at a `rate` a second."""

    name: str
    description: str
    seconds: float
    """Seconds of the measurement. `quick_seconds` replaces them with `--quick`."""
    quick_seconds: float
    latency: float = 0.0
    """Latency of the model in seconds."""
    through_sdk: bool = False
    """True if the model is a server, called through the OpenAI SDK, and not a sleep in the process."""
    partitions: int = 1
    max_in_flight: int = MAX_IN_FLIGHT
    """Requests in flight per partition, for contenders with such a limit."""
    requests: int = 0
    """Size of the backlog if the model takes no time. The fastest contenders finish it early."""
    rate: float = 0.0
    traffic: RecordKind = REQUESTS

    @property
    def ideal_rate(self) -> float:
        """Return the largest number of replies a second that the concurrency limit allows."""
        return self.partitions * self.max_in_flight / self.latency

    def backlog_size(self, seconds: float) -> int:
        """Return the number of requests to preload: more than can be answered, so the backlog's end is not measured."""
        return round(self.ideal_rate * (seconds + 2)) + 4 * self.max_in_flight if self.latency else self.requests


WORKLOADS = (
    Workload(
        name="zero",
        description="a model that takes no time, 1 partition",
        seconds=8,
        quick_seconds=3,
        requests=100_000,
    ),
    Workload(
        name="zero-4",
        description="a model that takes no time, 4 partitions",
        seconds=8,
        quick_seconds=3,
        requests=100_000,
        partitions=4,
    ),
    Workload(
        name="sleep-50ms",
        description="a model in the process that sleeps 50 ms",
        seconds=10,
        quick_seconds=3,
        latency=0.05,
    ),
    Workload(
        name="sdk-200ms",
        description="a server that takes 200 ms, through the OpenAI SDK",
        seconds=12,
        quick_seconds=6,
        latency=0.2,
        through_sdk=True,
    ),
    Workload(
        name="sdk-1s",
        description="a server that takes 1 s, through the OpenAI SDK",
        seconds=12,
        quick_seconds=7,
        latency=1.0,
        through_sdk=True,
    ),
    Workload(
        name="sdk-1s-1024",
        description="a server that takes 1 s, through the OpenAI SDK, 1,024 in flight on 2 partitions",
        # All requests start together at first, and need about ten rounds until they are spread over the second.
        seconds=40,
        quick_seconds=7,
        latency=1.0,
        through_sdk=True,
        partitions=2,
        max_in_flight=512,
    ),
    Workload(
        name="added-latency",
        description="20 requests a second, a model that takes no time",
        seconds=15,
        quick_seconds=3,
        rate=20,
    ),
)

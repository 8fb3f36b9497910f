"""What is asked of each contender."""

from dataclasses import dataclass

WINDOW = 64
"""Requests in flight per partition, where a contender has such a thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Either a backlog, which is there before the contender starts, or requests that come at a `rate` a second."""

    name: str
    what: str
    seconds: float
    """How long it is measured; `quick_seconds` with `--quick`."""
    quick_seconds: float
    latency: float = 0.0
    """Seconds that the model takes."""
    through_sdk: bool = False
    """The model is a server, called through the OpenAI SDK, in place of a sleep in the process."""
    partitions: int = 1
    requests: int = 0
    """The backlog where the model takes no time; the fastest are through with it before the time is over."""
    rate: float = 0.0

    @property
    def ideal(self) -> float:
        """Most replies a second that a window allows."""
        return self.partitions * WINDOW / self.latency

    def backlog(self, seconds: float) -> int:
        """How many requests are sent ahead: more than can be answered, so that the backlog's end is not measured."""
        return round(self.ideal * (seconds + 2)) + 4 * WINDOW if self.latency else self.requests


WORKLOADS = (
    Workload(
        name="zero",
        what="a model that takes no time, 1 partition",
        seconds=8,
        quick_seconds=3,
        requests=100_000,
    ),
    Workload(
        name="zero-4",
        what="a model that takes no time, 4 partitions",
        seconds=8,
        quick_seconds=3,
        requests=100_000,
        partitions=4,
    ),
    Workload(
        name="sleep-50ms",
        what="a model in the process that sleeps 50 ms",
        seconds=10,
        quick_seconds=3,
        latency=0.05,
    ),
    Workload(
        name="sdk-200ms",
        what="a server that takes 200 ms, through the OpenAI SDK",
        seconds=12,
        quick_seconds=6,
        latency=0.2,
        through_sdk=True,
    ),
    Workload(
        name="sdk-1s",
        what="a server that takes 1 s, through the OpenAI SDK",
        seconds=12,
        quick_seconds=7,
        latency=1.0,
        through_sdk=True,
    ),
    Workload(
        name="added-latency",
        what="20 requests a second, a model that takes no time",
        seconds=15,
        quick_seconds=3,
        rate=20,
    ),
)

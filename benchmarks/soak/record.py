"""Results of a run: plain data, as `soak.json`."""

import dataclasses
import json
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSample:
    """A worker's process at a moment. `life` is the worker's name and the number of its process: `b 2`."""

    at: float
    life: str
    mib: float
    handles: int
    threads: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Outcomes in the few seconds before a moment, and the lag at that moment."""

    at: float
    lag: dict[str, int] | None
    """Uncommitted requests by task; None if Kafka did not answer."""
    p50: float | None
    p99: float | None
    """Seconds from request to reply; None if there were too few replies."""
    codes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """A fault, from its start until its target works again."""

    at: float
    until: float
    kind: str
    worker: str | None


@dataclass(slots=True, kw_only=True)
class SoakRecord:
    """A whole run. Moments are seconds since its start."""

    survivor: str
    """The process that no fault kills."""
    asked: int = 0
    requests: int = 0
    """Requests that are in Kafka."""
    lost: int = 0
    doubled: int = 0
    happened: list[InjectedFault] = field(default_factory=list)
    seen: list[ProcessSample] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """Processes that ended by themselves."""

    def series(self, field_name: str) -> dict[str, list[tuple[float, float]]]:
        """Return a field of `ProcessSample` over time, by process."""
        found: dict[str, list[tuple[float, float]]] = {}
        for each in self.seen:
            found.setdefault(each.life, []).append((each.at, getattr(each, field_name)))
        return found

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self)) + "\n"

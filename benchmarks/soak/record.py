"""What a run leaves behind: plain data, as `soak.json`."""

import dataclasses
import json
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A worker's process at a moment. `life` is its worker's name, and which of its processes it is: `b 2`."""

    at: float
    life: str
    mib: float
    handles: int
    threads: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What came back in the few seconds before a moment, and what was waiting then."""

    at: float
    lag: dict[str, int] | None
    """Requests not committed, by task; None where Kafka did not say."""
    p50: float | None
    p99: float | None
    """Seconds from request to reply; None where few came."""
    codes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """A fault, from its beginning until what it hit was there again."""

    at: float
    until: float
    kind: str
    worker: str | None


@dataclass(slots=True, kw_only=True)
class Record:
    """A whole run. Moments are seconds since its beginning."""

    spared: str
    """The life that no fault was to end."""
    asked: int = 0
    requests: int = 0
    """Those that are in Kafka."""
    lost: int = 0
    doubled: int = 0
    happened: list[Happened] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """Lives that ended by themselves."""

    def series(self, what: str) -> dict[str, list[tuple[float, float]]]:
        """A field of `Seen` over time, by life."""
        found: dict[str, list[tuple[float, float]]] = {}
        for each in self.seen:
            found.setdefault(each.life, []).append((each.at, getattr(each, what)))
        return found

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self)) + "\n"

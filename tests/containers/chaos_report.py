"""The outcome of a run, and its broken promises."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Event = Literal["kill", "pause", "broker"]


@dataclass(kw_only=True)
class ChaosReport:
    """Counts of a reader of the replies and of the model."""

    mode: str
    plan: str
    requests_planned: int
    """Number of requests to send."""
    hits: Counter[Event] = field(default_factory=Counter)
    steps: int = 1
    """Number of model calls that a request needs."""
    requests: int = 0
    answered: int = 0
    duplicates: int = 0
    lost: int = 0
    not_ok: int = 0
    dead_letters: int = 0
    overtaken: int = 0
    """Number of replies after a reply to a later request with the same key."""
    lag: int = 0
    calls: int = 0
    cut_off: int = 0
    """Number of model calls without an answer when their worker was gone."""
    max_interrupted: int = 0
    """Concurrency limits of the partitions that a worker held when it was hit, added up; of requests with several steps
    also the calls of all workers at that time. So many requests may have been with the model, and so many more finished
    without a confirmed reply or entry of the journal. Both are called again. In at_least_once the finished ones are
    also answered again."""
    seconds: float = 0.0
    longest_silence: float = 0.0
    """Longest time without any reply, in seconds."""

    @property
    def extra_calls(self) -> int:
        """Number of model calls beyond those that the requests need."""
        return self.calls - self.requests * self.steps

    @property
    def problems(self) -> list[str]:
        """Broken promises, in words."""
        doubled_allowed = 0 if self.mode == "exactly_once" else self.max_interrupted
        found = [
            (
                self.requests != self.requests_planned,
                f"the test itself sent {self.requests} requests, not {self.requests_planned}",
            ),
            (self.lost > 0, f"{self.lost} requests have no reply"),
            (self.duplicates > doubled_allowed, f"{self.duplicates} replies are doubled, {doubled_allowed} may be"),
            (self.cut_off > self.max_interrupted, f"{self.cut_off} calls were cut off, {self.max_interrupted} may be"),
            (
                self.extra_calls > 2 * self.max_interrupted,
                f"{self.extra_calls} calls were made again, {2 * self.max_interrupted} may be",
            ),
            (self.not_ok > 0, f"{self.not_ok} requests were answered with an error"),
            (self.dead_letters > 0, f"{self.dead_letters} dead letters"),
            (self.overtaken > 0, f"{self.overtaken} events were overtaken by a later one with the same key"),
            (self.lag > 0, f"{self.lag} requests are answered, but not committed"),
        ]
        return [problem for is_so, problem in found if is_so]

    def __str__(self) -> str:
        hits = f"{self.hits['kill']} kill -9, {self.hits['pause']} stopped and continued"
        rows = {
            "mode": self.mode,
            "plan": self.plan,
            "hit": f"{hits}, {self.hits['broker']} broker restarts",
            "requests": f"{self.requests:,} in {self.seconds:.0f} s ({self.requests / self.seconds:.0f} a second)",
            "silence": f"{self.longest_silence:.1f} s at most without any reply",
            "answered": f"{self.answered:,}, of them {self.not_ok} with an error; {self.dead_letters} dead letters",
            "lost": f"{self.lost}",
            "doubled": f"{self.duplicates}",
            "overtaken": f"{self.overtaken}",
            "model calls": f"{self.calls:,}, {self.cut_off} of them cut off, {self.max_interrupted} allowed",
            "extra calls": f"{self.extra_calls}, {2 * self.max_interrupted} allowed",
            "not committed": f"{self.lag}",
            "verdict": "; ".join(self.problems) or "as promised",
        }
        return "\n".join(f"  {name:<14} {value}" for name, value in rows.items())

"""What came of a run, and what of it is not as promised."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Event = Literal["kill", "pause", "broker"]


@dataclass(kw_only=True)
class Outcome:
    """What a reader of the replies and the model have counted."""

    mode: str
    plan: str
    wanted: int
    """How many requests were to be sent."""
    hits: Counter[Event] = field(default_factory=Counter)
    requests: int = 0
    answered: int = 0
    doubled: int = 0
    lost: int = 0
    not_ok: int = 0
    dead: int = 0
    lag: int = 0
    calls: int = 0
    cut_off: int = 0
    """How many of them the model had not answered when their worker was gone."""
    allowed: int = 0
    """A window for each partition that a worker held when it was hit. So many requests may have been with the model,
    and so many more finished without their reply being confirmed yet: those are called again, and in at_least_once
    the latter answered again."""
    seconds: float = 0.0
    silence: float = 0.0
    """The longest time without any reply, in seconds."""

    @property
    def extra_calls(self) -> int:
        """How many model calls there were beyond one for each request."""
        return self.calls - self.requests

    @property
    def problems(self) -> list[str]:
        """What is not as promised."""
        doubled_allowed = 0 if self.mode == "exactly_once" else self.allowed
        found = [
            (self.requests != self.wanted, f"the test itself sent {self.requests} requests, not {self.wanted}"),
            (self.lost > 0, f"{self.lost} requests have no reply"),
            (self.doubled > doubled_allowed, f"{self.doubled} replies are doubled, {doubled_allowed} may be"),
            (self.cut_off > self.allowed, f"{self.cut_off} calls were cut off, {self.allowed} may be"),
            (
                self.extra_calls > 2 * self.allowed,
                f"{self.extra_calls} calls were made again, {2 * self.allowed} may be",
            ),
            (self.not_ok > 0, f"{self.not_ok} requests were answered with an error"),
            (self.dead > 0, f"{self.dead} dead letters"),
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
            "silence": f"{self.silence:.1f} s at most without any reply",
            "answered": f"{self.answered:,}, of them {self.not_ok} with an error; {self.dead} dead letters",
            "lost": f"{self.lost}",
            "doubled": f"{self.doubled}",
            "model calls": f"{self.calls:,}, {self.cut_off} of them cut off, {self.allowed} allowed",
            "extra calls": f"{self.extra_calls}, {2 * self.allowed} allowed",
            "not committed": f"{self.lag}",
            "verdict": "; ".join(self.problems) or "as promised",
        }
        return "\n".join(f"  {name:<14} {value}" for name, value in rows.items())

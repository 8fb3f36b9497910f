"""The outcome of a run of hostile records, and its broken promises."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class FuzzLimits:
    """Promises to the neighbours of a hostile producer."""

    answer_seconds: float = 2.0
    """Longest wait of a well-behaved request for its reply, in seconds."""
    lag_seconds: float = 0.25
    """Longest delay of an event loop, in seconds; a bucket of `carteiro_event_loop_lag_seconds`."""
    memory_mib: float = 400.0
    """Largest resident memory of a worker and its children."""


@dataclass(kw_only=True)
class ServiceReport:
    """Results of one worker: the records that it got, and its behaviour."""

    task: str
    sent: Counter[str] = field(default_factory=Counter)
    """Records that Kafka accepted, by family."""
    refused: Counter[str] = field(default_factory=Counter)
    """Batches that Kafka refused, by family."""
    readable: int = 0
    missing: list[str] = field(default_factory=list)
    """Requests without a reply."""
    seconds: list[float] = field(default_factory=list)
    """Seconds that each well-behaved request took."""
    baseline_seconds: list[float] = field(default_factory=list)
    """Seconds that each well-behaved request took before the first hostile record: the machine's share."""
    wrong_replies: int = 0
    """Well-behaved requests that got the reply of another request."""
    memory_mib: float = 0.0
    ran: float = 0.0
    waited: float = 0.0
    """Seconds for which the main thread ran, and for which it waited for a processor."""
    late_counts: dict[float, int] = field(default_factory=dict)
    """Number of times that the event loop was late by more than this many seconds."""
    log_problems: list[str] = field(default_factory=list)
    """Log lines that must not exist."""
    errors: Counter[str] = field(default_factory=Counter)
    """Log lines of the level `error`, by event."""
    starts: int = 0
    """Number of assignments of partitions; 1 without a restart and without a rebalance."""
    partition_failures: float = 0.0
    uncommitted: int = 0


@dataclass(kw_only=True)
class FuzzReport:
    """The results of a whole run."""

    plan: str
    limits: FuzzLimits
    services: Sequence[ServiceReport]
    seconds: float = 0.0
    duplicates: int = 0
    forbidden_calls: int = 0
    """Model calls for invalid requests."""
    new_topics: list[str] = field(default_factory=list)
    own_lag: float = 0.0
    """Longest delay of this program's event loop, in seconds. All times above include this delay."""

    @property
    def problems(self) -> list[str]:
        """Broken promises, in words."""
        found = [
            (self.duplicates > 0, f"{self.duplicates} replies too many"),
            (self.forbidden_calls > 0, f"{self.forbidden_calls} calls were paid for requests that are not valid"),
            (bool(self.new_topics), f"topics were created: {', '.join(self.new_topics)}"),
        ]
        for each in self.services:
            late = each.late_counts.get(self.limits.lag_seconds, 0)
            slow = sum(seconds > self.limits.answer_seconds for seconds in each.seconds)
            found += [
                (bool(each.missing), f"{each.task}: {len(each.missing)} have no reply, such as {each.missing[:5]}"),
                (not each.seconds, f"{each.task}: no well-behaved request was answered"),
                (slow > 0, f"{each.task}: {slow} well-behaved took more than {self.limits.answer_seconds:g} s"),
                (
                    each.wrong_replies > 0,
                    f"{each.task}: {each.wrong_replies} well-behaved got another reply than theirs",
                ),
                (each.memory_mib > self.limits.memory_mib, f"{each.task}: {each.memory_mib:.0f} MiB of memory"),
                (late > 0, f"{each.task}: its event loop was {late} times late by {self.limits.lag_seconds:g} s"),
                (bool(each.log_problems), f"{each.task}: in its log, such as {each.log_problems[:3]}"),
                (each.starts != 1, f"{each.task}: took partitions {each.starts} times"),
                (each.partition_failures > 0, f"{each.task}: {each.partition_failures:g} partitions failed"),
                (each.uncommitted > 0, f"{each.task}: {each.uncommitted} records are not committed"),
            ]
        return [problem for is_so, problem in found if is_so]

    def __str__(self) -> str:
        total = sum(each.sent.total() for each in self.services)
        rows = {
            "plan": self.plan,
            "hostile": f"{total:,} records in {self.seconds:.0f} s ({total / max(self.seconds, 1):.0f} a second)",
        }
        for each in self.services:
            late = ", ".join(f"{count} over {seconds:g} s" for seconds, count in each.late_counts.items())
            rows |= {
                each.task: f"{each.sent.total():,} records, {each.readable:,} of them readable:"
                f" {len(each.missing)} without a reply; Kafka itself refused {each.refused.total()} batches",
                f"{each.task} sent": _listed(each.sent),
                f"{each.task} served": f"well-behaved: {_times(each.seconds)}",
                f"{each.task} before": f"well-behaved: {_times(each.baseline_seconds)}",
                f"{each.task} memory": f"{each.memory_mib:.0f} MiB at most",
                f"{each.task} loop": f"late {late}; it ran {each.ran:.0f} s,"
                f" and waited {each.waited:.0f} s for a processor",
                f"{each.task} log": _listed(each.errors) or "no errors",
            }
        rows |= {
            "doubled": f"{self.duplicates}",
            "forbidden": f"{self.forbidden_calls} model calls for requests that are not valid",
            "this program": f"its own event loop was late by {self.own_lag:.2f} s at most",
            "verdict": "; ".join(self.problems) or "as promised",
        }
        return "\n".join(f"  {name:<16} {value}" for name, value in rows.items())


def _times(seconds: list[float]) -> str:
    times = [round(each * 1000) for each in sorted(seconds)] or [0]
    half, most = times[len(times) // 2], times[len(times) * 99 // 100]
    return f"{len(seconds):,}, {half} ms (p50), {most} ms (p99), {times[-1]} ms at most"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))

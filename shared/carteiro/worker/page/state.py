"""The state of a worker as its page shows it: no text of a request or a reply, and no secret."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Literal

from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge

from carteiro.worker.composition.context import WorkerContext
from carteiro.worker.composition.served_topic import ServedTopic
from carteiro.worker.delivery.subscriber import LaneSubscriber
from carteiro.worker.model_calls.fallback import FallbackChain
from carteiro.worker.observability import metrics
from carteiro.worker.observability.health import Condition, Health

_LAG_SECONDS = 2.0
_CACHE_SECONDS = 1.0
"""Time that a state is reused, because each new one costs a request to Kafka."""

_MAX_REASON_CHARS = 500
"""Maximum characters of a reason on the page. A part of it may be a provider's text, of any length."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """One model of a task's fallback chain."""

    name: str
    condition: str
    """`available`, `paused` or `held`."""


@dataclass(frozen=True, slots=True)
class TaskState:
    """Counts of one task, enrichment or collection since the worker's start.

    `lag` and `partitions` are about this worker's partitions. Events and documents count as requests, and those without
    an error as `ok`.
    """

    task: str
    models: tuple[ModelState, ...]
    """In the order of the fallback chain."""
    group: str
    partitions: int
    lag: int | None
    """Requests after the committed offsets; None if that is not known now."""
    in_flight: int
    requests: int
    ok: int
    errors: int
    dead_letters: int
    records: Literal["requests", "events", "documents"] = "requests"


@dataclass(frozen=True, slots=True)
class ErrorState:
    """Error replies of one task with one code."""

    task: str
    code: str
    count: int
    last: datetime


@dataclass(frozen=True, slots=True)
class WorkerState:
    """The worker, at one moment."""

    version: str
    started: datetime
    uptime_seconds: int
    condition: Condition
    phase: str
    """The step of the start or the stop that the worker is at; `ready` in between."""
    ready: bool
    alive: bool
    reasons: tuple[str, ...]
    """Reasons why the condition is not `ready`."""
    bootstrap_servers: str
    security_protocol: str
    topic_prefix: str
    delivery: str | None
    """The delivery guarantee; None until the broker is known."""
    max_in_flight: int
    tasks: tuple[TaskState, ...]
    errors: tuple[ErrorState, ...]
    """The latest first."""
    form: bool
    """True if the page takes requests."""

    def to_json(self) -> dict[str, Any]:
        """Return the state for programs; times are RFC 3339."""
        found = asdict(self)
        found["started"] = self.started.isoformat(timespec="seconds")
        for each in found["errors"]:
            each["last"] = each["last"].isoformat(timespec="seconds")
        return found


class WorkerStateReader:
    """Reads the state of a worker, at most once a second."""

    def __init__(
        self,
        served: Sequence[ServedTopic],
        context: WorkerContext,
        health: Health,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._served, self._context, self._health, self._now = served, context, health, now
        self._started = now()
        self._read_lock = asyncio.Lock()
        self._state: WorkerState | None = None
        self._read_at = 0.0

    async def read(self) -> WorkerState:
        """Return the state, which may be a second old."""
        async with self._read_lock:
            if self._state is None or time.monotonic() - self._read_at >= _CACHE_SECONDS:
                lags = await asyncio.gather(*(_lag(each.subscriber) for each in self._served))
                self._state, self._read_at = self._assemble(lags), time.monotonic()
            return self._state

    def _assemble(self, lags: Sequence[int | None]) -> WorkerState:
        settings, health, now = self._context.settings, self._health, self._now()
        return WorkerState(
            version=version("carteiro"),
            started=self._started,
            uptime_seconds=int((now - self._started).total_seconds()),
            condition=health.condition,
            phase=health.phase,
            ready=health.ready,
            alive=health.alive,
            reasons=tuple(each[:_MAX_REASON_CHARS] for each in health.reasons),
            bootstrap_servers=settings.bootstrap_servers,
            security_protocol=settings.security_protocol,
            topic_prefix=settings.topic_prefix,
            delivery=self._context.guarantee,
            max_in_flight=settings.max_in_flight,
            tasks=self._task_states(lags),
            errors=_error_states(),
            form=settings.http_form,
        )

    def _task_states(self, lags: Sequence[int | None]) -> tuple[TaskState, ...]:
        requests, in_flight = _by_task(metrics.REQUESTS), _by_task(metrics.IN_FLIGHT)
        replies, ok = _by_task(metrics.REPLIES), _by_task(metrics.REPLIES, code="ok")
        dead_letters = _by_task(metrics.DEAD_LETTERS)
        return tuple(
            TaskState(
                task=each.name,
                models=_model_states(each.chains),
                group=each.group,
                partitions=each.subscriber.lanes.partition_count,
                lag=lag,
                in_flight=in_flight.get(each.name, 0),
                requests=requests.get(each.name, 0),
                ok=ok.get(each.name, 0),
                errors=replies.get(each.name, 0) - ok.get(each.name, 0),
                dead_letters=dead_letters.get(each.name, 0),
                records=each.records,
            )
            for each, lag in zip(self._served, lags, strict=True)
        )


async def _lag(subscriber: LaneSubscriber) -> int | None:
    try:
        async with asyncio.timeout(_LAG_SECONDS):
            return await subscriber.lanes.lag()
    except (KafkaError, TimeoutError):
        return None


def _model_states(chains: Sequence[FallbackChain]) -> tuple[ModelState, ...]:
    states = []
    for target in dict.fromkeys(target for chain in chains for target in chain.targets):
        breaker = target.circuit_breaker
        condition = (
            "available" if breaker is None or not breaker.is_unavailable else "paused" if breaker.is_open else "held"
        )
        states.append(ModelState(target.model.name, condition))
    return tuple(states)


def _by_task(metric: Counter | Gauge, code: str | None = None) -> dict[str, int]:
    """Return a metric's sums by task, of all codes or of one."""
    found: dict[str, int] = {}
    for labels, value in _samples(metric):
        if code in (None, labels.get("code")):
            found[labels["task"]] = found.get(labels["task"], 0) + int(value)
    return found


def _error_states() -> tuple[ErrorState, ...]:
    counts = {(labels["task"], labels["code"]): int(value) for labels, value in _samples(metrics.REPLIES)}
    found = [
        ErrorState(**labels, count=counts[labels["task"], labels["code"]], last=datetime.fromtimestamp(value, UTC))
        for labels, value in _samples(metrics.LAST_ERROR)
    ]
    return tuple(sorted(found, key=lambda each: each.last, reverse=True))


def _samples(metric: Counter | Gauge) -> Iterator[tuple[dict[str, str], float]]:
    """Yield a metric's labels and values; a counter's times of creation are left out."""
    for family in metric.collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield sample.labels, sample.value

"""The health of a worker, as its HTTP routes report it: `/startupz`, `/livez`, `/readyz`."""

import json
from enum import StrEnum
from typing import Any, Protocol

import structlog
from faststream.asgi import AsgiResponse, get
from faststream.asgi.types import Scope

from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.worker")


class WorkerPhase(StrEnum):
    """Phase of a worker's life, as `/startupz` and `/readyz` report it."""

    STARTING = "starting"
    LOADING = "loading the model"
    WAITING_FOR_KAFKA = "waiting for Kafka"
    JOINING = "joining the group"
    READY = "ready"
    STOPPING = "stopping"


class Condition(StrEnum):
    """A worker's condition, for people: the most severe condition that applies."""

    READY = "ready"
    HELD = "held"
    """Ready, but calls of a model wait: its provider asks for no calls for a while, or its quota is used up."""
    STARTING = "starting"
    PAUSED = "paused"
    """No requests are accepted until a model is available again, or the budget of another day."""
    BLOCKED = "blocked"
    """No requests are accepted until an operator has solved a problem."""
    STALLED = "stalled"
    """Only a restart of the process helps."""
    STOPPING = "stopping"


class HealthChecks(Protocol):
    """Checks of a worker's parts, which its health reports."""

    def pause_reason(self) -> str | None:
        """Return the reason that no requests are accepted although the setup is complete; None if they are."""

    def stalled_partitions(self) -> list[str]:
        """Return the partitions that only a restart of the process helps."""

    def held_models(self) -> list[str]:
        """Return a sentence for each model whose calls wait long for its provider or its quota."""

    def problem(self) -> str | None:
        """Return what an operator has to do before requests are accepted; None if there is nothing to do."""


class Health:
    """The phase and the condition of a worker, for its health routes and its state page."""

    def __init__(self, tasks: list[str], checks: HealthChecks) -> None:
        """Create the health of a worker that serves `tasks`."""
        self._joining, self.checks = set(tasks), checks
        self.phase = WorkerPhase.STARTING
        self.models_loaded = False
        """True once the models are loaded."""

    def set_phase(self, phase: WorkerPhase) -> None:
        """Set the phase of the worker."""
        self.phase = phase
        self.refresh()

    def expect_groups(self, tasks: list[str]) -> None:
        """Record that the models are loaded, and wait for Kafka and for the consumer groups of `tasks`."""
        self._joining = set(tasks)
        self.models_loaded = True
        self.set_phase(WorkerPhase.WAITING_FOR_KAFKA)

    def group_joined(self, task: str) -> None:
        """Record that a task's consumer group has assigned partitions. The worker is ready after all groups."""
        self._joining.discard(task)
        if not self._joining and not self.ready and self.phase is not WorkerPhase.STOPPING:
            self.set_phase(WorkerPhase.READY)
            log.info("ready")

    @property
    def ready(self) -> bool:
        """True if requests are accepted."""
        return self.phase is WorkerPhase.READY and self.checks.pause_reason() is None and self.checks.problem() is None

    @property
    def alive(self) -> bool:
        """False if only a restart of the process helps."""
        return not self.checks.stalled_partitions()

    @property
    def condition(self) -> Condition:
        """The condition of the worker."""
        if self.phase is WorkerPhase.STOPPING:
            return Condition.STOPPING
        if not self.alive:
            return Condition.STALLED
        if self.checks.problem() is not None:
            return Condition.BLOCKED
        if self.phase is not WorkerPhase.READY:
            return Condition.STARTING
        if self.checks.pause_reason() is not None:
            return Condition.PAUSED
        return Condition.HELD if self.checks.held_models() else Condition.READY

    @property
    def reasons(self) -> list[str]:
        """Sentences that explain the condition."""
        match self.condition:
            case Condition.STALLED:
                return [f"stalled: {', '.join(self.checks.stalled_partitions())}"]
            case Condition.BLOCKED:
                return [self.checks.problem() or ""]
            case Condition.PAUSED:
                return [self.checks.pause_reason() or ""]
            case Condition.HELD:
                return self.checks.held_models()
        return []

    def refresh(self) -> None:
        """Update the metric after a change of the worker's readiness."""
        metrics.READY.set(self.ready)

    def routes(self) -> list[tuple[str, Any]]:
        """Return the HTTP routes with their handlers.

        `/startupz` fails until the models are loaded. `/livez` fails if only a restart of the process helps. `/readyz`
        fails while no requests are accepted.
        """

        @get(include_in_schema=False)
        async def startupz(scope: Scope) -> AsgiResponse:  # noqa: ARG001
            return _json(200 if self.models_loaded else 503, self.phase)

        @get(include_in_schema=False)
        async def livez(scope: Scope) -> AsgiResponse:  # noqa: ARG001
            stalled = self.checks.stalled_partitions()
            return _json(503, f"stalled: {', '.join(stalled)}") if stalled else _json(200, "alive")

        @get(include_in_schema=False)
        async def readyz(scope: Scope) -> AsgiResponse:  # noqa: ARG001
            self.refresh()
            status = 200 if self.ready else 503
            if (problem := self.checks.problem()) is not None and self.phase is not WorkerPhase.STOPPING:
                return _json(status, problem)
            pause_reason = self.checks.pause_reason() if self.phase is WorkerPhase.READY else None
            state = f"paused: {pause_reason}" if pause_reason else self.phase
            return _json(status, "; ".join([state, *(self.checks.held_models() if self.ready else ())]))

        return [("/startupz", startupz), ("/livez", livez), ("/readyz", readyz)]


def _json(status: int, state: str) -> AsgiResponse:
    return AsgiResponse(json.dumps({"status": state}).encode(), status, {"content-type": "application/json"})

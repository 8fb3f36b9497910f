"""A worker's health during its start, and while models are held or paused."""

import json
from dataclasses import dataclass, field

import pytest

from carteiro.worker.observability.health import Condition, Health, HealthChecks, WorkerPhase


@dataclass
class FakeChecks(HealthChecks):
    paused: str | None = None
    stalled: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    blocked: str | None = None

    def pause_reason(self) -> str | None:
        return self.paused

    def stalled_partitions(self) -> list[str]:
        return self.stalled

    def held_models(self) -> list[str]:
        return self.held

    def problem(self) -> str | None:
        return self.blocked


async def get(health, path):
    """Return the HTTP status and the state text of a route."""
    (route,) = [handler for route_path, handler in health.routes() if route_path == path]
    sent = []

    async def send(message):
        sent.append(message)

    await route({"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}, None, send)
    return sent[0]["status"], json.loads(sent[1]["body"])["status"]


@pytest.mark.parametrize(
    ("pause_reason", "held", "expected"),
    [
        (None, [], (200, "ready")),
        (None, ["a is not called for 3,600 s"], (200, "ready; a is not called for 3,600 s")),
        ("a is down", ["a is not called for 3,600 s"], (503, "paused: a is down")),
    ],
)
async def test_held_model_is_reported_and_leaves_the_worker_ready(pause_reason, held, expected):
    health = Health(["chat"], FakeChecks(pause_reason, held=held))
    health.set_phase(WorkerPhase.READY)
    assert await get(health, "/readyz") == expected
    assert (await get(health, "/livez"))[0] == 200


async def test_startup_succeeds_once_models_are_loaded_even_without_kafka():
    health = Health(["chat"], FakeChecks())
    assert await get(health, "/startupz") == (503, "starting")
    health.set_phase(WorkerPhase.LOADING)
    assert await get(health, "/startupz") == (503, "loading the model")
    assert (await get(health, "/livez"))[0] == 200
    health.expect_groups(["chat"])
    assert await get(health, "/startupz") == (200, "waiting for Kafka")
    health.set_phase(WorkerPhase.STOPPING)
    assert (await get(health, "/startupz"))[0] == 200


@pytest.mark.parametrize(
    ("checks", "phase", "condition"),
    [
        (FakeChecks(), WorkerPhase.READY, Condition.READY),
        (FakeChecks(), WorkerPhase.LOADING, Condition.STARTING),
        (FakeChecks(paused="it is down"), WorkerPhase.READY, Condition.PAUSED),
        (FakeChecks(held=["it is held"]), WorkerPhase.READY, Condition.HELD),
        (FakeChecks(blocked="no topic", paused="it is down"), WorkerPhase.READY, Condition.BLOCKED),
        (FakeChecks(stalled=["llm.chat.requests/3"], blocked="no topic"), WorkerPhase.READY, Condition.STALLED),
        (FakeChecks(stalled=["llm.chat.requests/3"]), WorkerPhase.STOPPING, Condition.STOPPING),
    ],
)
def test_condition_is_the_worst_that_applies(checks: FakeChecks, phase: WorkerPhase, condition: Condition) -> None:
    health = Health(["chat"], checks)
    health.set_phase(phase)
    assert health.condition == condition
    explained = {Condition.PAUSED, Condition.HELD, Condition.BLOCKED, Condition.STALLED}
    assert bool(health.reasons) == (condition in explained)


def test_worker_is_ready_once_all_groups_have_joined() -> None:
    health = Health(["chat", "generate"], FakeChecks())
    health.expect_groups(["chat", "generate"])
    health.group_joined("chat")
    assert not health.ready
    health.group_joined("generate")
    assert health.ready
    health.set_phase(WorkerPhase.STOPPING)
    health.group_joined("chat")
    assert health.phase is WorkerPhase.STOPPING

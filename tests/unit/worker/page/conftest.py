"""A worker state to show. Tests change it as they need."""

from datetime import UTC, datetime

import pytest

from carteiro.worker.observability.health import Condition
from carteiro.worker.page.state import ErrorState, ModelState, TaskState, WorkerState

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def state() -> WorkerState:
    models = (ModelState("openai:first", "available"), ModelState("openai:second", "held"))
    return WorkerState(
        version="1.2.3",
        started=NOW,
        uptime_seconds=7260,
        condition=Condition.READY,
        phase="ready",
        ready=True,
        alive=True,
        reasons=(),
        bootstrap_servers="kafka-1:9092,kafka-2:9092",
        security_protocol="SASL_SSL",
        topic_prefix="llm",
        delivery="exactly_once",
        max_in_flight=64,
        tasks=(TaskState("chat", models, "carteiro-chat", 6, 12873, 64, 1204331, 1203998, 333, 12),),
        errors=(ErrorState("chat", "rate_limited", 312, NOW),),
        form=True,
    )

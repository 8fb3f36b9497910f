"""The health of a worker: models in a cool-down, open circuits, the budget, lanes and topics."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from prometheus_client import generate_latest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.quota import Quota, QuotaController
from carteiro.models.errors import RateLimited
from carteiro.models.interface import Model
from carteiro.worker.composition.health_checks import WorkerHealthChecks
from carteiro.worker.observability.metrics import REGISTRY
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import endpoint, expect_failure


def make_checks(
    models: Mapping[str, Model] | None = None,
    paused: Mapping[str, str | None] | None = None,
    lanes: list[Any] | None = None,
    budget: str | None = None,
    topics: list[str | None] | None = None,
    store: str | None = None,
) -> WorkerHealthChecks:
    """Return checks. `paused` has the reasons of the chains by task, `topics` the problems of watched topics."""
    context: Any = SimpleNamespace(
        store=None if store is None else SimpleNamespace(pause_reason=store),
        pause_reason=budget,
        topic_watches=[SimpleNamespace(problem=problem) for problem in topics or ()],
    )
    open_lanes = SimpleNamespace(stalled=[], problem=None)
    served: Any = [
        SimpleNamespace(chains=[SimpleNamespace(pause_reason=reason)], subscriber=SimpleNamespace(lanes=open_lanes))
        for reason in (paused or {}).values()
    ]
    served += [SimpleNamespace(chains=[], subscriber=SimpleNamespace(lanes=each)) for each in lanes or ()]
    return WorkerHealthChecks(models or {}, served, context)


def metric_value(name: str, metric: str = "carteiro_model_retry_after_seconds") -> float:
    lines = generate_latest(REGISTRY).decode().splitlines()
    (line,) = [each for each in lines if each.startswith(f"{metric}{{") and name in each]
    return float(line.split()[-1])


async def test_model_in_a_cool_down_of_an_hour_is_held() -> None:
    async with Provider() as provider:
        model = CloudModel("http://held/v1#echo", endpoint(provider.url), timeout=30)
        checks = make_checks({model.name: model})
        assert checks.held_models() == []
        assert metric_value(model.name) == 0
        provider.answer({"error": {"message": "later"}}, 429, Retry_After="3600")
        assert isinstance(await expect_failure(model), RateLimited)
        (words,) = checks.held_models()
        assert words.startswith("http://held/v1#echo is not called for ")
        assert metric_value(model.name) > 3500
        await model.close()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, []), (9, []), (75, ["http://queued/v1#echo: a call has waited 75 s for the quota"])]
)
async def test_model_whose_calls_wait_long_for_its_quota_is_held(seconds: float, words: list[str]) -> None:
    now = [100.0]
    quota = Quota(QuotaController(requests_per_minute=1), clock=lambda: now[0])
    model = CloudModel("http://queued/v1#echo", endpoint("http://127.0.0.1:9"), timeout=30, quota=quota)
    async with quota.call() as permit:
        permit.completed()
    waiting = asyncio.create_task(quota.call().__aenter__())
    await asyncio.sleep(0)
    now[0] += seconds
    checks = make_checks({model.name: model})
    assert checks.held_models() == words
    assert metric_value(model.name, "carteiro_model_quota_wait_seconds") == seconds
    waiting.cancel()
    await model.close()


def test_model_that_cannot_be_throttled_is_never_held() -> None:
    assert make_checks({"local:x": Mock(spec=Model)}).held_models() == []


@pytest.mark.parametrize(
    ("paused", "budget", "expected"),
    [
        ({"chat": None, "generate": None}, None, None),
        ({"chat": None, "generate": "it is down"}, None, "it is down"),
        ({"chat": "it is down"}, "the cap is reached", "the cap is reached"),
    ],
)
def test_used_up_budget_or_a_chain_without_a_model_pauses(
    paused: Mapping[str, str | None], budget: str | None, expected: str | None
) -> None:
    assert make_checks(paused=paused, budget=budget).pause_reason() == expected


def test_store_of_documents_that_is_away_pauses() -> None:
    assert make_checks(store="the disk is full").pause_reason() == "the disk is full"


def test_partitions_of_all_lanes_are_checked() -> None:
    lanes = [SimpleNamespace(stalled=["t/1"], problem=None), SimpleNamespace(stalled=["u/2"], problem="no topic u")]
    checks = make_checks(lanes=lanes)
    assert checks.stalled_partitions() == ["t/1", "u/2"]
    assert checks.problem() == "no topic u"


def test_missing_topic_of_deferred_requests_is_a_problem() -> None:
    lanes = [SimpleNamespace(stalled=[], problem=None)]
    assert make_checks(lanes=lanes, topics=[None, "create it"]).problem() == "create it"
    assert make_checks(lanes=lanes, topics=[None]).problem() is None

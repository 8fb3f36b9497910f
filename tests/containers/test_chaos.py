"""Killed workers and a restarted broker: no reply is lost or duplicated, and few model calls are repeated.
`make chaos` runs the same with ten thousand requests.
"""

import random

import pytest

from tests.containers.chaos import ChaosPlan, run
from tests.containers.chaos_report import ChaosReport
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280)]

REQUESTS = 400


async def small(
    kafka: ApacheKafka,
    model: ScriptedProvider,
    mode: str,
    *,
    static: bool,
    task: str = "generate",
    broker_restarts: int = 1,
) -> ChaosReport:
    seed = random.randrange(1_000_000)
    keys = 100 if task == "enrich" else 0
    requests, window = (12, 2) if task == "summarize" else (REQUESTS, 8)
    plan = ChaosPlan(
        mode=mode,
        seed=seed,
        task=task,
        requests=requests,
        window=window,
        kills=2,
        pauses=0,
        broker_restarts=broker_restarts,
        keys=keys,
        static=static,
    )
    outcome = await run(kafka, model, plan)
    print(outcome)
    return outcome


async def test_every_request_is_answered_once(kafka: ApacheKafka, model: ScriptedProvider):
    # A Kafka of one node that restarts sometimes keeps a partition's offsets unstable for minutes: see `ApacheKafka`.
    outcome = await small(kafka, model, "exactly_once", static=False, broker_restarts=0)
    assert (outcome.requests, outcome.answered) == (REQUESTS, REQUESTS)
    assert (outcome.lost, outcome.duplicates, outcome.not_ok, outcome.dead_letters, outcome.lag) == (0, 0, 0, 0, 0)


@pytest.mark.long
async def test_every_event_is_enriched_once(kafka: ApacheKafka, model: ScriptedProvider):
    outcome = await small(kafka, model, "exactly_once", static=False, task="enrich")
    assert (outcome.requests, outcome.answered, outcome.overtaken) == (REQUESTS, REQUESTS, 0)
    assert (outcome.lost, outcome.duplicates, outcome.not_ok, outcome.dead_letters, outcome.lag) == (0, 0, 0, 0, 0)


@pytest.mark.long
async def test_summaries_repeat_only_the_calls_in_flight(kafka: ApacheKafka, model: ScriptedProvider):
    outcome = await small(kafka, model, "exactly_once", static=False, task="summarize")
    assert not outcome.problems


@pytest.mark.long
@pytest.mark.parametrize(("mode", "static"), [("exactly_once", False), ("at_least_once", True)])
async def test_delivery_promise_is_kept(kafka: ApacheKafka, model: ScriptedProvider, mode: str, static: bool):
    outcome = await small(kafka, model, mode, static=static)
    assert not outcome.problems

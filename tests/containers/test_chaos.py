"""Killed workers and a restarted broker: nothing lost, nothing doubled, few model calls made again. `make chaos` is
the same with ten thousand requests.
"""

import random

import pytest

from tests.containers.chaos import Plan, run
from tests.containers.conftest import ApacheKafka
from tests.containers.outcome import Outcome
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(280)]


async def small(kafka: ApacheKafka, model: ScriptedProvider, mode: str, *, static: bool) -> Outcome:
    seed = random.randrange(1_000_000)
    plan = Plan(mode=mode, seed=seed, requests=600, window=8, kills=3, pauses=0, static=static)
    outcome = await run(kafka, model, plan)
    print(outcome)
    return outcome


async def test_every_request_is_answered_once(kafka: ApacheKafka, model: ScriptedProvider):
    outcome = await small(kafka, model, "exactly_once", static=False)
    assert (outcome.requests, outcome.answered) == (600, 600)
    assert (outcome.lost, outcome.doubled, outcome.not_ok, outcome.dead, outcome.lag) == (0, 0, 0, 0, 0)


@pytest.mark.long
@pytest.mark.parametrize(("mode", "static"), [("exactly_once", False), ("at_least_once", True)])
async def test_every_request_is_answered_as_promised(
    kafka: ApacheKafka, model: ScriptedProvider, mode: str, static: bool
):
    outcome = await small(kafka, model, mode, static=static)
    assert not outcome.problems

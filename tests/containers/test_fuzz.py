"""Hostile records for half a minute: they harm only their sender. `make fuzz` runs longer and with tighter limits."""

import pytest

from tests.containers.conftest import ApacheKafka
from tests.containers.fuzz import FuzzPlan, run
from tests.containers.fuzz_report import FuzzLimits

pytestmark = [pytest.mark.containers, pytest.mark.long, pytest.mark.timeout(280)]

# Times on a machine that runs other tests say little. These limits only detect a worker that is stuck.
LIMITS = FuzzLimits(answer_seconds=60, lag_seconds=5)


async def test_hostile_records_harm_only_their_sender(kafka: ApacheKafka):
    plan = FuzzPlan(seed=7, seconds=30, limits=LIMITS)
    outcome = await run(kafka, plan)
    print(outcome)
    assert not outcome.problems

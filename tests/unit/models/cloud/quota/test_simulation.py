"""Many workers with the real controller on one real token bucket, in simulated time. The bounds are the targets;
without headers the target is not reached, and the bounds are the present values.
"""

from dataclasses import replace

import pytest

from benchmarks.quota.simulation import SCENARIOS, Simulation
from carteiro.models.cloud.quota import bucket_feedback


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_quota_is_used_and_hardly_anything_is_refused(scenario):
    many = scenario.workers == 200
    outcome = Simulation(replace(scenario, seconds=120 if many else 300)).run()
    assert outcome.used_share() >= 0.95
    assert outcome.steady_refused_share < 0.005
    assert outcome.refused.total() < 4 * scenario.workers  # All workers start at once.
    assert outcome.fairness < 2


def test_a_quota_of_tokens_is_used_too():
    scenario = replace(SCENARIOS[2], requests=6000, tokens=600_000)
    outcome = Simulation(scenario).run()
    assert outcome.used_share() >= 0.95
    assert outcome.refused_share < 0.02
    assert outcome.fairness < 2


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_quota_that_is_halved_and_doubled_is_followed(index):
    scenario = replace(SCENARIOS[index], seconds=420, changes=((120, 0.5), (270, 2)))
    outcome = Simulation(scenario).run()
    assert outcome.used_share(210, 270) == pytest.approx(1, abs=0.08)
    assert outcome.used_share(360, 420) >= 0.95
    assert outcome.refused_share < 0.02


@pytest.mark.parametrize(("workers", "refused"), [(1, 0.005), (20, 0.04)])
def test_rate_is_close_to_the_quota_without_headers(workers, refused):
    scenario = next(each for each in SCENARIOS if each.workers == workers and each.burst == 1)
    outcome = Simulation(replace(scenario, headers=False, seconds=600, warm_up=200)).run()
    assert outcome.used_share() >= 0.93
    assert outcome.steady_refused_share < refused


@pytest.mark.parametrize("index", [0, 2])
def test_quota_reset_every_minute_is_used_up(index):
    outcome = Simulation(replace(SCENARIOS[index], windowed=True, seconds=300)).run()
    assert outcome.used_share() >= 0.95
    assert outcome.refused_share < 0.02
    assert outcome.fairness < 2


def test_a_quota_of_ten_a_minute_whose_bucket_holds_one_call():
    outcome = Simulation(replace(SCENARIOS[1], requests=10, seconds=900)).run()
    assert outcome.used_share() >= 0.95
    assert outcome.refused_share < 0.05


def test_spread_keeps_shares_equal(monkeypatch):
    """Without the spread, workers that start at different rates keep them. This test would show that."""
    monkeypatch.setattr(bucket_feedback, "SPREAD", 0.0)
    outcome = Simulation(replace(SCENARIOS[3], seconds=300)).run()
    assert outcome.fairness > 2

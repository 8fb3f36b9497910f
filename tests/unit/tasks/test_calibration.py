"""The bias of a model towards each label."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from carteiro.tasks import calibration
from carteiro.tasks.calibration import Calibration


class FakeRankingModel:
    """Model whose log-probabilities are the lengths of the continuations."""

    name = "fake"

    def __init__(self) -> None:
        self.calls = 0

    async def rank(self, _: str, continuations: Sequence[str]) -> Any:
        self.calls += 1
        await asyncio.sleep(0)
        return SimpleNamespace(log_probabilities=[-float(len(each)) for each in continuations], usage=None)


async def test_baseline_is_the_mean_and_is_computed_once_for_a_set_of_labels() -> None:
    model, cache = FakeRankingModel(), Calibration()
    assert await cache.baseline(model, "{text}", ["a", "bbb"]) == [-2.0, -4.0]
    calls = model.calls
    assert await cache.baseline(model, "{text}", ["a", "bbb"]) == [-2.0, -4.0]
    assert model.calls == calls
    await cache.baseline(model, "Text: {text}", ["a", "bbb"])
    assert model.calls == 2 * calls


async def test_baseline_is_computed_once_for_simultaneous_requests() -> None:
    model, cache = FakeRankingModel(), Calibration()
    await asyncio.gather(*(cache.baseline(model, "{text}", ["a", "bbb"]) for _ in range(5)))
    assert model.calls == len(calibration._SENTENCES)


async def test_cache_of_label_sets_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "_MAX_CACHED", 2)
    model, cache = FakeRankingModel(), Calibration()
    for label in ("a", "b", "c", "c", "b"):
        await cache.baseline(model, "{text}", [label])
    kept = model.calls
    await cache.baseline(model, "{text}", ["a"])
    assert model.calls > kept
    assert len(cache._cache) == 2


async def test_margin_is_the_difference_to_the_usual_likelihood() -> None:
    margins, _ = await Calibration().margins(FakeRankingModel(), "Text: {text}", " x ", ["a", "bbb"])
    assert margins == [0.0, 0.0]

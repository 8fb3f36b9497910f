"""Fixtures: a provider, the pipeline of a task that calls it, and tries without pauses."""

from collections.abc import AsyncIterator

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.worker.handling.idempotency import IdempotencyStore
from carteiro.worker.handling.pipeline import Pipeline
from carteiro.worker.handling.reply_cache import ReplyCache
from carteiro.worker.model_calls import circuit_breaker, retry
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from services.generate.task import task
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import endpoint


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


@pytest.fixture
async def pipeline(provider: Provider) -> AsyncIterator[Pipeline]:
    """Pipeline of the task `generate`, whose model is at the provider."""
    model = CloudModel("http://test/v1#echo", endpoint(provider.url), timeout=30)
    breaker = CircuitBreaker(model, lambda: None)
    yield Pipeline(task, FallbackChain([ModelTarget(model, breaker)]), IdempotencyStore(60), ReplyCache(60))
    await breaker.stop_probing()
    await model.close()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tries follow each other at once."""
    for module in (circuit_breaker, retry):
        monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
        monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.01)

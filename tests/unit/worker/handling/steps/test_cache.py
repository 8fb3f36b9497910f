"""The step that answers equal requests by a stored reply."""

import pytest

from carteiro.schemas import Usage
from carteiro.schemas.generate import GenerateRequest
from carteiro.worker.handling.reply_cache import ReplyCache
from carteiro.worker.handling.steps.cache import Cached
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from carteiro.worker.observability.metrics import REGISTRY
from tests.unit.worker.failing_model import FailingModel

CACHEABLE = GenerateRequest.model_validate({"prompt": "Why?", "options": {"cache": True}})
UNCACHEABLE = GenerateRequest(prompt="Why?")


@pytest.fixture
def cached():
    return Cached(ReplyCache(60), "generate")


def outcomes():
    """Return the numbers of hits and misses."""
    samples = ({"task": "generate", "outcome": outcome} for outcome in ("hit", "miss"))
    return [REGISTRY.get_sample_value("carteiro_cache_total", labels) or 0 for labels in samples]


async def test_equal_request_gets_the_stored_reply_with_its_own_id_and_timing(make_context, next_handler, cached):
    hits, misses = outcomes()
    first = await cached(make_context(CACHEABLE, offset=1), next_handler)
    repetition = make_context(CACHEABLE, offset=2)
    repetition.queue_seconds = 90.0
    second = await cached(repetition, next_handler)
    assert next_handler.calls == 1
    assert (first.request_id, first.cached, first.usage) == ("t/0/1", False, Usage(input_tokens=2))
    assert (second.request_id, second.cached, second.usage) == ("t/0/2", True, Usage())
    assert second.result == first.result
    assert second.timing.queue_ms == 90_000
    assert outcomes() == [hits + 1, misses + 1]


async def test_request_without_the_option_is_neither_answered_from_the_cache_nor_stored(
    make_context, next_handler, cached
):
    counted = outcomes()
    replies = [await cached(make_context(UNCACHEABLE), next_handler) for _ in range(2)]
    assert [each.result.text for each in replies] == ["text 1", "text 2"]
    assert outcomes() == counted


async def test_request_that_other_models_may_answer_is_another_one(make_context, next_handler, cached):
    for name in ("openai:big", "openai:small"):
        context = make_context(CACHEABLE, chain=FallbackChain([ModelTarget(FailingModel(name=name))]))
        await cached(context, next_handler)
    assert next_handler.calls == 2

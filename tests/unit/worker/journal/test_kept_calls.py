"""Requests of several calls through whole pipelines: the next owner repeats only the last call."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from carteiro.enrichment.enrichment_file import parse_enrichment
from carteiro.models.cloud.client import CloudModel
from carteiro.wire.topics import Topics
from carteiro.worker.enrichment.event_handler import EventHandler
from carteiro.worker.handling.dead_letters import DeadLetters
from carteiro.worker.handling.handler import RequestHandler
from carteiro.worker.handling.idempotency import IdempotencyStore
from carteiro.worker.handling.pipeline import Pipeline
from carteiro.worker.handling.reply_cache import ReplyCache
from carteiro.worker.handling.reply_outcome import ReplyOutcome
from carteiro.worker.handling.reply_router import ReplyAddress
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from services.generate.task import task
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import endpoint
from tests.unit.wire.fake_record import FakeRecord
from tests.unit.worker.failing_model import FREE
from tests.unit.worker.journal.fake_writer import FakeJournals, FakeWriter

STEPS = b"""
from: reviews
to: enriched
steps:
  - {task: generate, request: "{prompt: text}", into: ai.first, take: text}
  - {task: generate, request: "{prompt: join(' ', ['again', ai.first])}", into: ai.second, take: text}
"""
DEAD = DeadLetters("llm.generate.dead", "g")


class Router:
    """Router to which all topics exist."""

    async def resolve(self, _envelope: Any, default_reply_topic: str) -> ReplyAddress:
        return ReplyAddress(default_reply_topic)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


@pytest.fixture
async def pipeline(provider: Provider) -> AsyncIterator[Pipeline]:
    model = CloudModel("http://test/v1#echo", endpoint(provider.url), timeout=30)
    breaker = CircuitBreaker(model, lambda: None)
    yield Pipeline(task, FallbackChain([ModelTarget(model, breaker)]), IdempotencyStore(60), ReplyCache(60))
    await breaker.stop_probing()
    await model.close()


async def test_steps_of_an_enrichment(provider: Provider, pipeline: Pipeline) -> None:
    writer, record = FakeWriter(), FakeRecord(b'{"text": "one"}', (), b"key", "reviews", 0, 17)
    file = parse_enrichment(STEPS, "f", "shop")
    for _ in range(2):
        handler = EventHandler(file, {"generate": pipeline}, FREE, "g", DEAD, journals=FakeJournals(writer))
        outcome = await handler.handle(record)
        assert b"again one" in (outcome.records[0].value or b"")
    assert provider.calls == {"one": 1, "again one": 2}
    assert outcome.cleanup is not None
    assert {each.key for each in outcome.cleanup.tombstones} >= writer.values.keys()


async def test_second_try_at_json(provider: Provider, pipeline: Pipeline) -> None:
    writer, usages = FakeWriter(), []
    schema = b'{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'
    record = FakeRecord(b'{"prompt": "count", "json_schema": %s}' % schema, (), b"key", "llm.generate.requests", 0, 17)
    provider.queue_completion("no JSON")
    for _ in range(2):
        router: Any = Router()
        handler = RequestHandler(
            pipeline,
            router,
            FREE,
            "g",
            "llm.generate.replies",
            "llm.generate.deferred",
            Topics("llm"),
            DEAD,
            journals=FakeJournals(writer),
        )
        outcome = await handler.handle(record)
        assert isinstance(outcome, ReplyOutcome)
        assert outcome.reply.status == "ok"
        usages.append(outcome.reply.usage)
    assert len(provider.requests) == 3, "the first call once, the second twice"
    assert usages[1] == usages[0].model_copy(update={"reused_calls": 1})

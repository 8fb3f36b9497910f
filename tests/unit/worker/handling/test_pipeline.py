"""The pipeline of a task against a real server as the provider: what the error replies say that a request has cost."""

import asyncio
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from aiokafka.errors import MessageSizeTooLargeError, UnknownTopicOrPartitionError
from structlog.testing import capture_logs

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.provider_options import OPENAI_TIERS
from carteiro.models.prices import Price, PriceTable
from carteiro.references.errors import StoreUnavailable
from carteiro.references.memory_budget import MemoryBudget
from carteiro.retrieval.errors import DocumentStoreInvalid, DocumentStoreUnavailable
from carteiro.schemas import Usage
from carteiro.wire.envelope import read_envelope
from carteiro.worker.batch_api.deferral_policy import DeferRequest
from carteiro.worker.handling import error_replies
from carteiro.worker.handling.idempotency import IdempotencyStore
from carteiro.worker.handling.pipeline import Pipeline
from carteiro.worker.handling.reply_cache import ReplyCache
from carteiro.worker.handling.reply_outcome import ReplyOutcome
from carteiro.worker.handling.reply_router import ReplyAddress
from carteiro.worker.handling.steps.references import ResolveReferences
from carteiro.worker.handling.steps.retrieval import RetrievePassages
from carteiro.worker.handling.steps.step import compose
from carteiro.worker.handling.steps.validation import RejectInvalid
from carteiro.worker.model_calls.budget import BudgetLimits, CostBudget, UsageMeter
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from carteiro.worker.reply_stream import ReplyStream
from services.answer.task import task as answer
from services.generate.task import task
from tests import media
from tests.provider.completions import completion
from tests.unit.models.cloud.cloud_models import endpoint
from tests.unit.wire.fake_record import FakeRecord

NAME, TOPIC = "http://test/v1#echo", "llm.generate.replies"
PRICES = PriceTable({NAME: Price(input=1e6, output=1e6)})
USED = {"prompt_tokens": 40, "completion_tokens": 7}


@pytest.fixture
async def ask(provider):
    model = CloudModel(NAME, endpoint(provider.url), timeout=30)
    breaker = CircuitBreaker(model, lambda: None)
    pipeline = Pipeline(task, FallbackChain([ModelTarget(model, breaker)]), IdempotencyStore(60), ReplyCache(60))

    async def ask(*, seconds=60.0, by=pipeline, caps=None, body=b'{"prompt": "one two three"}', headers=()):
        """Return a function that sends a request with a deadline in seconds, and returns its answer and envelope."""
        deadline = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        now = int(time.time() * 1000)
        record = FakeRecord(
            body,
            (("deadline", deadline.encode()), *headers),
            topic="llm.generate.requests",
            timestamp=now,
        )
        envelope = read_envelope(record)
        meter = UsageMeter(caps or CostBudget(PRICES, BudgetLimits()), "generate", None)

        async def send(piece):
            pass

        async with ReplyStream("generate", "t/0/1", send) as stream:
            ask.result = result = await by.run(envelope, ("t", 0), None, meter, stream)
        return result.reply, envelope

    ask.answerer = pipeline
    yield ask
    await breaker.stop_probing()
    await model.close()


async def test_expired_reply_has_the_usage_of_the_sent_prompt(provider, ask):
    provider.next("hang")
    reply, _ = await ask(seconds=0.5)
    assert reply.error.code == "expired"
    assert reply.usage.input_tokens > 0
    assert reply.usage.cost_usd == reply.usage.input_tokens


@pytest.mark.parametrize(
    ("capacity", "sent", "tier", "share"),
    [(True, ["flex"], "flex", 0.5), (False, ["flex", "default"], "standard", 1)],
)
async def test_request_that_can_wait_is_served_in_flex_if_it_has_capacity(provider, ask, capacity, sent, tier, share):
    provider.flex_capacity = capacity
    model = CloudModel(NAME, endpoint(provider.url, tiers=OPENAI_TIERS), timeout=30)
    breaker = CircuitBreaker(model, lambda: None)
    by = Pipeline(task, FallbackChain([ModelTarget(model, breaker)]), IdempotencyStore(60), ReplyCache(60))
    body = b'{"prompt": "one two three", "options": {"wait": "1h"}}'
    reply, _ = await ask(seconds=7200, by=by, body=body)
    assert [each.body["service_tier"] for each in provider.requests] == sent
    used = reply.usage.input_tokens + reply.usage.output_tokens
    assert (reply.usage.service_tier, reply.usage.cost_usd) == (tier, used * share)
    await breaker.stop_probing()
    await model.close()


async def test_filtered_reply_has_the_usage_that_the_provider_reports(provider, ask):
    provider.answer(completion({"model": "echo"}, "half", "content_filter") | {"usage": USED})
    reply, _ = await ask()
    assert reply.error.code == "content_filtered"
    assert reply.usage == Usage(input_tokens=40, output_tokens=7, cost_usd=47)


async def test_internal_fault_after_a_paid_call_has_its_usage(provider, ask):
    async def stumble(request, model):
        await task.run(request, model)
        raise ZeroDivisionError

    reply, _ = await ask(by=replace(ask.answerer, task=replace(task, run=stumble)))
    assert reply.error.code == "internal"
    assert reply.usage.input_tokens > 0


async def test_reply_to_a_free_request_has_no_usage(provider, ask):
    provider.next("400")
    reply, _ = await ask()
    assert reply.error.code == "invalid_request"
    assert reply.usage is None


@pytest.mark.parametrize(
    ("topic", "failure", "code"),
    [
        (TOPIC, MessageSizeTooLargeError(), "too_large"),
        ("somewhere.else", UnknownTopicOrPartitionError(), "invalid_request"),
    ],
)
async def test_fallback_reply_has_the_same_usage(ask, topic, failure, code):
    answer, envelope = await ask()
    reply = ReplyOutcome(answer, envelope, ReplyAddress(topic), TOPIC, {}, None)
    replacement = reply.fall_back(reply.record, failure)
    assert replacement.reply.error.code == code
    assert replacement.reply.usage == answer.usage


@pytest.mark.parametrize("too_large", [True, False])
async def test_conversation_that_is_not_stored_has_the_same_usage(ask, too_large):
    answer, envelope = await ask()
    assert (
        error_replies.conversation_not_stored("generate", envelope, answer.usage, too_large=too_large).usage
        == answer.usage
    )


async def test_requests_that_wait_for_a_provider_expire_by_their_own_deadlines(provider, ask):
    provider.answer({"error": {"message": "later"}}, 429, Retry_After="3600")
    replies = await asyncio.gather(*(ask(seconds=0.6) for _ in range(8)))
    assert {reply.error.code for reply, _ in replies} <= {"expired"}
    assert len(provider.requests) <= 8


class FakeReader:
    """Reader of one text at any address."""

    def __init__(self):
        self.calls = 0

    async def read(self, uris, files=()):
        self.calls += 1
        return dict.fromkeys(uris, "one two three"), await MemoryBudget(1).reserve(0)


async def test_repeated_request_reads_its_text_once_and_the_cache_goes_by_the_text(provider, ask):
    reader = FakeReader()
    by = replace(ask.answerer, references=reader)
    body = b'{"prompt": {"uri": "s3://letters/%s"}, "options": {"cache": true}}'
    again = [("idempotency_key", b"k")]
    first, _ = await ask(by=by, body=body % b"a", headers=again)
    second, _ = await ask(by=by, body=body % b"a", headers=again)
    assert first.result == second.result
    assert reader.calls == 1
    third, _ = await ask(by=by, body=body % b"b")
    assert (third.cached, third.result) == (True, first.result)
    assert reader.calls == 2
    assert provider.calls["one two three"] == 1


async def test_deferred_request_does_not_read_its_text(ask):
    reader = FakeReader()
    by = replace(ask.answerer, references=reader, deferral=SimpleNamespace(defers=lambda *_: True))
    with pytest.raises(DeferRequest):
        await ask(by=by, body=b'{"prompt": {"uri": "s3://letters/a"}, "options": {"wait": "24h"}}')
    assert reader.calls == 0


async def test_store_that_stays_away_is_a_retryable_error_and_a_dead_letter(ask, monkeypatch):
    async def away(self, context, handle):
        raise StoreUnavailable("s3://letters does not answer")

    monkeypatch.setattr(ResolveReferences, "__call__", away)
    reply, _ = await ask(by=replace(ask.answerer))
    assert (reply.error.code, reply.error.retryable) == ("store_unavailable", True)
    assert reply.error.message == "s3://letters does not answer"
    assert ask.result.dead_letter_reason == "s3://letters does not answer"


async def test_parallel_requests_stay_within_the_daily_budget(provider, ask):
    for _ in range(64):
        provider.answer(completion({"model": "echo"}, "yes") | {"usage": USED})
    budget = CostBudget(PRICES, BudgetLimits(per_day=200))
    replies = await asyncio.gather(*(ask(caps=budget) for _ in range(64)))
    done = [reply for reply, _ in replies if reply.status == "ok"]
    assert 1 <= len(done) <= 5
    assert {reply.error.code for reply, _ in replies if reply.status == "error"} == {"over_budget"}
    assert budget.spent_today == 47 * len(done) == 47 * len(provider.requests)


@pytest.mark.parametrize("failure", [DocumentStoreInvalid("the file is damaged"), DocumentStoreUnavailable("is away")])
async def test_store_of_documents_that_fails_is_named_and_leaves_a_dead_letter(ask, failure):
    class Broken:
        rerank_model = None

        def serves(self, collection):
            return True

        async def find(self, search, meter):
            raise failure

    async def without_patience(seconds):
        raise failure

    broken = replace(ask.answerer, task=answer, library=Broken())
    step = RetrievePassages(Broken(), without_patience)
    object.__setattr__(broken, "_handle", compose(RejectInvalid(answer, broken.chain), step, last=broken._handle))
    reply, _ = await ask(by=broken, body=b'{"question": "?", "collection": "docs"}')
    assert (reply.error.code, reply.error.retryable) == ("store_unavailable", True)
    assert reply.error.message == ask.result.dead_letter_reason == f"the store of documents: {failure}"


async def test_next_model_of_a_chain_sees_the_image(provider):
    body = json.dumps({"prompt": "What is it?", "attachments": [{"data": media.encoded(media.PNG)}]}).encode()
    models = [CloudModel(name, endpoint(provider.url), timeout=30) for name in ("a:blind", "b:seeing")]
    breakers = [CircuitBreaker(model, lambda: None) for model in models]
    chain = FallbackChain([ModelTarget(*pair) for pair in zip(models, breakers, strict=True)])
    pipeline = Pipeline(task, chain, IdempotencyStore(60), ReplyCache(60))
    provider.answer({"error": {"message": "Model does not support images. Please use a model that does."}}, 400)
    with capture_logs() as logs:
        result = await pipeline.run(
            read_envelope(FakeRecord(body, topic="llm.generate.requests", timestamp=int(time.time() * 1000))),
            ("t", 0),
            None,
            UsageMeter(CostBudget(PriceTable({}), BudgetLimits()), "generate", None),
            None,
        )
    assert (result.reply.model, result.reply.result.text) == ("b:seeing", f"[image/png {len(media.PNG)}] What is it?")
    assert [each["code"] for each in logs if each["event"] == "the model failed; asking the next"] == ["unsupported"]
    assert media.encoded(media.PNG)[:20] not in repr(logs)
    for breaker, model in zip(breakers, models, strict=True):
        await breaker.stop_probing()
        await model.close()

"""Answers in the background through whole pipelines: crashes, deadlines, other tiers, and the same prompt twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from carteiro.models.cloud.background import BackgroundPolicy
from carteiro.models.cloud.client import CloudModel
from carteiro.models.results import Completion
from carteiro.schemas import ServiceTier, Usage
from carteiro.worker.handling.idempotency import IdempotencyStore
from carteiro.worker.handling.pipeline import Pipeline
from carteiro.worker.handling.reply_cache import ReplyCache
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from carteiro.worker.model_calls.retry import RetryingCalls, RetryingModel
from carteiro.worker.model_calls.service_tier import TieredCalls, TierPolicy
from services.generate.task import task
from tests.conftest import eventually
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import endpoint
from tests.unit.wire.fake_record import FakeRecord
from tests.unit.worker.failing_model import usage_meter
from tests.unit.worker.journal.fake_writer import FakeWriter, prompt
from tests.unit.worker.journal.journaled_worker import JournaledWorker

NAME = "openai:echo"
RECORD = FakeRecord(b'{"prompt": "one two"}', (), b"key", "llm.generate.requests", 0, 17)


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


@pytest.fixture
async def model(provider: Provider) -> AsyncIterator[CloudModel]:
    policy = BackgroundPolicy(0, (0.001, 0.002))
    model = CloudModel(NAME, endpoint(provider.url, api="responses"), timeout=30, background=policy)
    yield model
    await model.close()


@pytest.fixture
async def worker(model: CloudModel, writer: FakeWriter) -> AsyncIterator[JournaledWorker]:
    breaker = CircuitBreaker(model, lambda: None)
    chain = FallbackChain([ModelTarget(model, breaker)])
    yield JournaledWorker(Pipeline(task, chain, IdempotencyStore(60), ReplyCache(60)), writer)
    await breaker.stop_probing()


async def interrupt(worker: JournaledWorker, provider: Provider) -> None:
    """End a worker while the answer is in the air."""
    provider.background.hold()
    handling = asyncio.create_task(worker.handle(RECORD))
    await eventually(lambda: provider.background.of("look"))
    handling.cancel()
    await asyncio.gather(handling, return_exceptions=True)
    provider.background.release()


async def test_next_owner_finds_the_answer_and_its_usage_is_counted_once(
    provider: Provider, writer: FakeWriter, worker: JournaledWorker
) -> None:
    await interrupt(worker, provider)
    outcome = await worker.handle(RECORD)
    assert outcome.reply.status == "ok"
    assert outcome.reply.usage.model_copy(update={"service_tier": None}) == Usage(
        input_tokens=2, output_tokens=2, reused_calls=1
    )
    assert (provider.calls.total(), writer.reused, writer.cancelled) == (1, 1, [])
    assert outcome.cleanup is not None
    for tombstone in outcome.cleanup.tombstones:
        writer.apply(tombstone)
    outcome.on_acknowledged()
    assert (writer.values, writer.cancelled) == ({}, [])


async def test_worker_that_has_lost_the_partition_polls_on_and_harms_nothing(
    provider: Provider, writer: FakeWriter, worker: JournaledWorker
) -> None:
    provider.background.hold()
    zombie = asyncio.create_task(worker.handle(RECORD))
    await eventually(lambda: provider.background.of("look"))
    owner = asyncio.create_task(worker.handle(RECORD))
    await eventually(lambda: writer.reused)
    provider.background.release()
    for outcome in await asyncio.gather(zombie, owner):
        assert outcome.reply.status == "ok"
    assert (provider.calls.total(), writer.cancelled) == (1, [])


async def test_failed_answer_of_an_earlier_owner_is_asked_for_again(
    provider: Provider, worker: JournaledWorker, no_pauses: None
) -> None:
    await interrupt(worker, provider)
    provider.background.next_end("failed", error={"code": "server_error", "message": "x"})
    outcome = await worker.handle(RECORD)
    assert outcome.reply.status == "ok"
    assert outcome.reply.usage.reused_calls == 0
    assert provider.calls.total() == 2


async def test_call_made_again_without_the_background_is_not_reused(
    provider: Provider, writer: FakeWriter, worker: JournaledWorker
) -> None:
    await interrupt(worker, provider)
    provider.background.delete()
    refusal = "Background mode is not supported with this model."
    provider.answer({"error": {"message": refusal, "type": "invalid_request_error", "param": None}}, 400)
    outcome = await worker.handle(RECORD)
    assert outcome.reply.status == "ok"
    assert outcome.reply.usage.reused_calls == 0
    assert outcome.cleanup is not None
    assert {each.key for each in outcome.cleanup.tombstones} == writer.values.keys()


async def test_answer_is_cancelled_once_the_reply_without_it_is_acknowledged(
    provider: Provider, writer: FakeWriter, worker: JournaledWorker
) -> None:
    await interrupt(worker, provider)
    provider.background.hold()
    late = replace(RECORD, headers=(("deadline", b"2020-01-01T00:00:00Z"),))
    outcome = await worker.handle(late)
    assert outcome.reply.status == "error"
    assert outcome.reply.error.code == "expired"
    assert writer.cancelled == [], "a worker that has lost the partition cancels nothing"
    outcome.on_acknowledged()
    assert writer.cancelled == [(NAME, provider.background.created[0].id)]


@pytest.mark.parametrize(
    ("first", "second", "looks", "calls"),
    [
        ("flex", "standard", 1, 1),
        ("flex", None, 1, 1),
        ("flex", "standard", 9, 2),
        ("flex", "flex", 9, 1),
        (None, "priority", 9, 1),
        ("priority", None, 9, 1),
    ],
)
async def test_answer_that_is_there_is_taken_from_another_tier(
    provider: Provider,
    writer: FakeWriter,
    model: CloudModel,
    first: ServiceTier | None,
    second: ServiceTier | None,
    looks: int,
    calls: int,
) -> None:
    breaker = CircuitBreaker(model, lambda: None)

    async def complete(tier: ServiceTier | None) -> Completion:
        tiers = TieredCalls(tier, TierPolicy(), None, "generate") if tier else None
        run = RetryingCalls(breaker, usage_meter())
        return await RetryingModel(model, run, None, journal(writer), tiers).complete(prompt("one two"))

    provider.background.looks = 100
    interrupted = asyncio.create_task(complete(first))
    await eventually(lambda: provider.background.of("look"))
    interrupted.cancel()
    await asyncio.gather(interrupted, return_exceptions=True)
    provider.background.looks = provider.background.created[0].looks + looks
    assert (await complete(second)).text == "one two"
    assert provider.calls.total() == calls
    assert writer.cancelled == [(NAME, provider.background.created[0].id)] * (calls - 1)
    await breaker.stop_probing()


async def test_streamed_request_is_not_in_the_background(provider: Provider, worker: JournaledWorker) -> None:
    record = replace(RECORD, value=b'{"prompt": "one two", "options": {"stream": true}}')
    assert (await worker.handle(record)).reply.status == "ok"
    assert "background" not in provider.requests[0].body


async def test_parts_at_once_are_asked_for_once_however_often_the_worker_ends(
    provider: Provider, writer: FakeWriter, model: CloudModel
) -> None:
    breaker, parts = CircuitBreaker(model, lambda: None), [f"part {number}" for number in range(6)]
    provider.background.looks = 3

    async def read() -> tuple[list[str], Usage]:
        meter = usage_meter()
        calls = RetryingCalls(breaker, meter)
        retrying = RetryingModel(model, calls, journal=RequestJournal(writer.next_owner(), 17, 17, 256))
        found = await asyncio.gather(*(retrying.complete(prompt(part)) for part in parts))
        return [each.text for each in found], meter.usage

    for polls in (0, 3, 5):  # The last worker has some answers before it ends.
        reading = asyncio.create_task(read())
        before = len(provider.background.of("look"))
        await eventually(lambda: len(writer.values) == len(parts))
        await eventually(lambda: len(provider.background.of("look")) >= before + polls)  # noqa: B023
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    texts, usage = await read()
    assert texts == parts
    assert provider.calls == dict.fromkeys(parts, 1)
    assert (usage.input_tokens, usage.output_tokens, usage.reused_calls) == (12, 12, 6)
    await breaker.stop_probing()


def journal(writer: FakeWriter) -> RequestJournal:
    return RequestJournal(writer.next_owner(), 17, 17, 0)


async def test_same_prompt_at_the_same_time_is_two_calls(writer: FakeWriter) -> None:
    first = journal(writer)
    async with first.background_call("m", prompt("a")) as one, first.background_call("m", prompt("a")) as two:
        await one.begin("resp_1")
        await two.begin("resp_2")
    later = journal(writer)
    async with later.background_call("m", prompt("a")) as one, later.background_call("m", prompt("a")) as two:
        assert [one.id, two.id] == ["resp_1", "resp_2"]
        assert one.is_reused
        one.end()
        two.end()
    async with later.background_call("m", prompt("a")) as three:
        assert three.id is None
    assert {each.key for each in later.tombstones} == writer.values.keys()


async def test_another_try_of_a_run_waits_for_the_same_answer(writer: FakeWriter) -> None:
    run = journal(writer)
    async with run.background_call("m", prompt("a")) as call:
        await call.begin("resp_1")
    async with run.background_call("m", prompt("a")) as call:
        assert (call.id, call.is_reused, writer.reused) == ("resp_1", False, 0)
    async with run.background_call("m", prompt("b")) as other, run.background_call("n", prompt("a")) as another:
        assert (other.id, another.id) == (None, None)


async def test_call_that_moves_to_another_tier_cancels_the_answer_of_the_first(writer: FakeWriter) -> None:
    run = journal(writer)
    flex = replace(prompt("a"), service_tier="flex", service_options=frozenset({"service_tier"}))
    async with run.background_call("m", flex) as call:
        await call.begin("resp_1")
    async with run.background_call("m", replace(flex, service_tier="standard")) as call:
        assert call.is_superseded
        await call.begin("resp_2")
        assert not call.is_superseded
    assert writer.cancelled == [("m", "resp_1")]
    assert len(writer.values) == 1


async def test_topic_that_is_away_costs_only_the_repetition(writer: FakeWriter) -> None:
    writer.away = True
    run = journal(writer)
    async with run.background_call("m", prompt("a")) as call:
        await call.begin("resp_1")
        assert call.id == "resp_1"
    assert writer.values == {}

"""The handlers of a task's topics, as the lanes see them."""

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from aiokafka.structs import TopicPartition

from carteiro.kafka.broker_limits import BrokerLimits
from carteiro.settings.worker import WorkerSettings
from carteiro.wire.deferral import deferred_record
from carteiro.wire.record import MAX_REQUEST_BYTES
from carteiro.wire.record_batches.record_fields import MAX_BUFFERED_BYTES
from carteiro.worker.composition.partition_handlers import (
    BatchHandler,
    BatchIndexHandler,
    EnrichmentHandler,
    IndexHandler,
    LiveHandler,
    SubscribedHandler,
    max_event_bytes,
)
from carteiro.worker.delivery.exclusive_gate import ExclusiveGate
from tests.unit.wire.fake_record import FakeRecord

RECORD = FakeRecord(b"{}", (), b"key", "llm.chat.requests", 3, 17)


def make_context() -> Any:
    return Mock(
        settings=SimpleNamespace(max_in_flight=64, batch_requests=500, max_produce_bytes=1_000_000),
        pause_reason=None,
        broker_limits=BrokerLimits(),
        exclusive_gate=ExclusiveGate(),
    )


def make_requests() -> Any:
    requests = Mock(group="carteiro-chat", journals=None, reject_poison=AsyncMock())
    requests.pipeline.chain.pause_reason = None
    requests.pipeline.task.ordered_by_key = True
    return requests


def make_live(conversations: Any = None) -> tuple[LiveHandler, Any, Any, Any]:
    requests, subscriber, context = make_requests(), Mock(dispatch=AsyncMock()), make_context()
    return LiveHandler(requests, subscriber, context, conversations), requests, subscriber, context


def make_batch() -> tuple[BatchHandler, Any, Any, Any]:
    requests, subscriber, coordinator = make_requests(), Mock(dispatch=AsyncMock()), Mock(on_assigned=AsyncMock())
    return BatchHandler(requests, subscriber, make_context(), coordinator), requests, subscriber, coordinator


def test_limits_come_from_the_settings() -> None:
    live, batch = make_live()[0], make_batch()[0]
    assert (live.max_in_flight, live.by_key, live.resumable) == (64, True, False)
    assert (batch.max_in_flight, batch.max_unfinished, batch.by_key) == (500, 1000, False)
    assert (batch.resumable, batch.snapshots, batch.max_per_transaction) == (True, True, 20)


def make_enrichment() -> tuple[EnrichmentHandler, Any]:
    events = Mock(group="carteiro-chat", journals=None, reject_poison=AsyncMock())
    events.pipelines = {step: Mock(chain=SimpleNamespace(pause_reason=None)) for step in ("a", "b")}
    return EnrichmentHandler(events, Mock(dispatch=AsyncMock()), make_context()), events


@pytest.mark.parametrize(
    ("writable", "readable"),
    [(1_000_000, MAX_REQUEST_BYTES), (3_000_000, 3_000_000), (100_000_000, MAX_BUFFERED_BYTES)],
)
def test_event_that_can_be_written_is_read(writable: int, readable: int) -> None:
    assert max_event_bytes(WorkerSettings(max_produce_bytes=writable)) == readable


@pytest.mark.parametrize("make", [make_live, make_batch, make_enrichment])
def test_handler_shares_the_workers_gate_and_limits(make: Any) -> None:
    handler: SubscribedHandler = make()[0]
    assert handler.group == "carteiro-chat"
    assert isinstance(handler.exclusive_gate, ExclusiveGate)
    assert isinstance(handler.broker_limits, BrokerLimits)


def test_live_requests_wait_for_a_model_and_the_budget() -> None:
    live, requests, _, context = make_live()
    assert live.accepts_work()
    requests.pipeline.chain.pause_reason = "it is down"
    assert not live.accepts_work()
    requests.pipeline.chain.pause_reason = None
    context.pause_reason = "the cap is reached"
    assert not live.accepts_work()


def test_deferred_requests_wait_only_for_the_budget() -> None:
    batch, requests, _, _ = make_batch()
    requests.pipeline.chain.pause_reason = "it is down"
    assert batch.accepts_work()


async def test_record_is_served_through_the_subscriber() -> None:
    live, _, subscriber, _ = make_live()
    assert await live.handle(RECORD) is subscriber.dispatch.return_value
    subscriber.dispatch.assert_awaited_once_with(RECORD)


@pytest.mark.parametrize("error", [None, asyncio.CancelledError()])
async def test_deferred_request_is_pending_while_it_is_served(error: BaseException | None) -> None:
    batch, _, subscriber, coordinator = make_batch()
    subscriber.dispatch.side_effect = error
    if error is None:
        await batch.handle(RECORD)
    else:
        with pytest.raises(asyncio.CancelledError):
            await batch.handle(RECORD)
    assert [name for name, *_ in coordinator.method_calls] == ["track", "untrack"]


async def test_poison_request_is_rejected_as_its_sender_knows_it() -> None:
    deferred = deferred_record(RECORD, "llm.chat.deferred")
    stored = FakeRecord(deferred.value, tuple(deferred.headers), deferred.key, "llm.chat.deferred", 3, 99)
    live, live_requests, _, _ = make_live()
    await live.reject_poison(RECORD, 3)
    live_requests.reject_poison.assert_awaited_once_with(RECORD, 3)
    batch, batch_requests, _, _ = make_batch()
    await batch.reject_poison(stored, 3)
    (original, deaths), _ = batch_requests.reject_poison.await_args
    assert (original.topic, original.offset, deaths) == ("llm.chat.requests", 17, 3)


async def test_conversations_are_loaded_and_unloaded_with_their_partition() -> None:
    conversations = Mock(load=AsyncMock(return_value=None))
    live = make_live(conversations)[0]
    assert await live.on_assigned(3) is None
    conversations.load.assert_awaited_once_with(3)
    live.on_lost(3)
    conversations.unload.assert_called_once_with(3)


async def test_task_without_conversations_prepares_nothing() -> None:
    live = make_live()[0]
    assert await live.on_assigned(3) is None
    live.on_lost(3)


async def test_batches_are_opened_stored_and_closed_with_their_partition() -> None:
    batch, _, _, coordinator = make_batch()
    assert await batch.on_assigned(3) is coordinator.on_assigned.return_value
    lane = Mock(partition=TopicPartition("t", 3))
    assert batch.create_delivery(lane) is coordinator.attach_delivery.return_value
    assert batch.snapshot_records(3, Mock()) is coordinator.snapshot_records.return_value
    batch.on_lost(3)
    coordinator.on_lost.assert_called_once_with(3)


async def test_events_wait_for_the_models_of_all_steps_and_keep_their_order() -> None:
    handler, events = make_enrichment()
    assert handler.by_key
    assert handler.accepts_work()
    events.pipelines["b"].chain.pause_reason = "it is down"
    assert not handler.accepts_work()
    await handler.reject_poison(RECORD, 3)
    events.reject_poison.assert_awaited_once_with(RECORD, 3)
    handler.on_lost(3)


def make_batch_index() -> tuple[BatchIndexHandler, Any]:
    documents = Mock(group="carteiro-chat", reject_poison=AsyncMock())
    documents.writer.pause_reason = None
    coordinator = Mock(on_assigned=AsyncMock(return_value=None))
    return BatchIndexHandler(documents, Mock(dispatch=AsyncMock()), make_context(), coordinator), documents


def make_index() -> tuple[IndexHandler, Any]:
    documents = Mock(group="carteiro-chat", reject_poison=AsyncMock())
    documents.writer.pause_reason = None
    return IndexHandler(documents, Mock(dispatch=AsyncMock()), make_context()), documents


def test_documents_are_ordered_by_key_unless_they_wait_for_batches() -> None:
    assert make_index()[0].by_key
    waiting = make_batch_index()[0]
    assert (waiting.by_key, waiting.resumable, waiting.max_in_flight) == (False, True, 500)


@pytest.mark.parametrize("make", [make_index, make_batch_index])
def test_store_that_is_away_pauses_the_intake_of_documents(make: Any) -> None:
    handler, documents = make()
    assert handler.accepts_work()
    documents.writer.pause_reason = "the disk is full"
    assert not handler.accepts_work()


@pytest.mark.parametrize("make", [make_index, make_batch_index])
async def test_owner_of_the_first_partition_rebuilds_the_collection(make: Any) -> None:
    handler, _ = make()
    steps: list[str] = []

    async def run() -> None:
        steps.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("ended")

    handler._rebuild._rebuild = Mock(run=run)
    for partition in (1, 0, 0):
        assert await handler.on_assigned(partition) is None
    await asyncio.sleep(0)
    assert steps == ["began"]
    for partition in (1, 0, 0):
        handler.on_lost(partition)
        await asyncio.sleep(0)
    assert steps == ["began", "ended"]


@pytest.mark.parametrize("make", [make_live, make_enrichment])
async def test_journal_of_a_partition_is_read_before_it_is_served(make: Any) -> None:
    handler: SubscribedHandler = make()[0]
    assert await handler.on_assigned(3) is None
    handler.on_lost(3)
    journals: Any = Mock(load=AsyncMock())
    handler._journals = journals
    assert await handler.on_assigned(3) is None
    journals.load.assert_awaited_once_with(3)
    handler.on_lost(3)
    journals.unload.assert_called_once_with(3)

"""The options and connections that all tasks of a worker share."""

from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from aiokafka.errors import KafkaConnectionError

from carteiro.settings.worker import WorkerSettings
from carteiro.worker.composition import context as module
from carteiro.worker.composition.context import WorkerContext
from carteiro.worker.delivery.acknowledged import AcknowledgedDelivery
from carteiro.worker.delivery.transactional import TransactionalDelivery
from tests.unit.worker.delivery.fake_consumer import FakeConsumer
from tests.unit.worker.delivery.fake_kafka import FakeKafka


def make_context(**settings: Any) -> WorkerContext:
    options = {"bootstrap_servers": ["kafka:9092"]}
    return WorkerContext(WorkerSettings(**settings), options, Mock(producer=None), Mock(), Mock(), Mock())


def test_consumer_has_the_connection_options_and_the_times_of_the_settings() -> None:
    context = make_context(session_timeout_seconds=45, grace_seconds=30, max_poll_seconds=300)
    options = context.consumer_options("chat")
    assert options["bootstrap_servers"] == ["kafka:9092"]
    assert (options["session_timeout_ms"], options["heartbeat_interval_ms"]) == (45_000, 3000)
    # A group waits longer for a worker's drain than the drain takes, and the join request longer than the group.
    assert (options["rebalance_timeout_ms"], options["request_timeout_ms"]) == (40_000, 50_000)
    assert options["max_poll_interval_ms"] == 300_000


def test_several_heartbeats_fit_into_a_short_session() -> None:
    assert make_context(session_timeout_seconds=4).consumer_options("chat")["heartbeat_interval_ms"] == 1333


def test_consumers_of_one_instance_have_different_names() -> None:
    assert make_context().consumer_options("chat")["group_instance_id"] is None
    context = make_context(group_instance_id="pod-1")
    names = {context.consumer_options(member)["group_instance_id"] for member in ("chat", "chat-batch")}
    assert names == {"pod-1-chat", "pod-1-chat-batch"}


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> Any:
    producer = Mock(start=AsyncMock(), stop=AsyncMock())
    monkeypatch.setattr(module, "acknowledged_producer", lambda *_, **__: producer)
    return producer


async def test_second_connect_keeps_the_producer_and_the_guarantee(
    monkeypatch: pytest.MonkeyPatch, producer: Any
) -> None:
    select = AsyncMock(return_value="exactly_once")
    monkeypatch.setattr(module, "select_guarantee", select)
    context = make_context()
    for _ in range(2):
        await context.connect("g")
    producer.start.assert_awaited_once_with()
    select.assert_awaited_once()
    assert (context.router.producer, context.guarantee) == (producer, "exactly_once")
    await context.disconnect()
    producer.stop.assert_awaited_once_with()


async def test_producer_that_cannot_start_is_stopped_and_made_again(producer: Any) -> None:
    producer.start.side_effect = KafkaConnectionError
    context = make_context()
    with pytest.raises(KafkaConnectionError):
        await context.connect("g")
    producer.stop.assert_awaited_once_with()
    assert context.router.producer is None


def test_guarantee_selects_the_delivery() -> None:
    context, subscriber = make_context(), Mock()
    context.guarantee = "exactly_once"
    assert isinstance(context.create_delivery(Mock(), subscriber), TransactionalDelivery)
    context.guarantee, context.router.producer = "at_least_once", Mock()
    assert isinstance(context.create_delivery(Mock(), subscriber), AcknowledgedDelivery)
    assert subscriber.committer.limits is context.broker_limits


async def test_replies_are_gathered_between_requests_to_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    create = Mock(return_value=Mock(start=AsyncMock(), stop=AsyncMock()))
    monkeypatch.setattr(module, "acknowledged_producer", create)
    context = make_context()
    context.guarantee = "at_least_once"
    await context.connect("g")
    assert 0 < create.call_args.kwargs["gather_seconds"] < 0.1


async def test_all_producers_compress_as_set(monkeypatch: pytest.MonkeyPatch) -> None:
    create = Mock(return_value=Mock(start=AsyncMock(), stop=AsyncMock()))
    monkeypatch.setattr(module, "acknowledged_producer", create)
    context = make_context(compression="zstd")
    context.guarantee = "exactly_once"
    await context.connect("g")
    delivery = context.create_delivery(Mock(), Mock())
    assert isinstance(delivery, TransactionalDelivery)
    delivery._create_producer = create
    await delivery.open(FakeConsumer(FakeKafka()))  # type: ignore[arg-type]
    assert [call.kwargs["compression"] for call in create.call_args_list] == ["zstd", "zstd"]


@pytest.mark.parametrize(
    ("budget", "registry", "reason"),
    [(None, None, None), ("the cap is reached", None, "the cap is reached"), (None, "it is down", "it is down")],
)
def test_exhausted_budget_and_a_registry_that_is_down_pause_all_work(
    budget: str | None, registry: str | None, reason: str | None
) -> None:
    context = make_context()
    context.budget, context.registry = Mock(pause_reason=budget), Mock(pause_reason=registry)
    assert context.pause_reason == reason
    context.registry = None
    assert context.pause_reason == budget

"""The start of all subscribers at once."""

import asyncio
from typing import Any, ClassVar
from unittest.mock import AsyncMock, Mock

import pytest
from aiokafka.errors import KafkaConnectionError

from carteiro.settings.worker import WorkerSettings
from carteiro.worker.composition.broker import WorkerBroker


class FakeBroker(WorkerBroker):
    """Broker that does not connect, and has the subscribers of the test."""

    subscribers: ClassVar[Any] = []
    connect = AsyncMock()


@pytest.fixture
def broker() -> Any:
    FakeBroker.subscribers = []
    return FakeBroker(WorkerSettings())


def add_subscriber(broker: Any, start: Any) -> Any:
    subscriber = Mock(start=AsyncMock(side_effect=start), stop=AsyncMock())
    broker.subscribers.append(subscriber)
    return subscriber


async def test_subscribers_start_at_the_same_time(broker: Any) -> None:
    barrier = asyncio.Barrier(2)
    for _ in range(2):
        add_subscriber(broker, barrier.wait)
    await broker.start()
    assert broker.running


async def test_failed_start_stops_all_subscribers_after_all_starts_have_ended(broker: Any) -> None:
    events: list[str] = []

    async def fail() -> None:
        raise KafkaConnectionError

    async def start_slowly() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        events.append("started")

    failing, slow = add_subscriber(broker, fail), add_subscriber(broker, start_slowly)
    slow.stop.side_effect = lambda: events.append("stopped")
    with pytest.raises(KafkaConnectionError):
        await broker.start()
    assert events == ["started", "stopped"]
    failing.stop.assert_awaited_once_with()
    assert not broker.running

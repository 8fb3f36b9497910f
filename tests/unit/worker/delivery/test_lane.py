import asyncio
from collections.abc import Mapping
from typing import Any
from unittest.mock import Mock

from aiokafka import TopicPartition

from carteiro.worker.delivery.lane import Lane
from carteiro.worker.delivery.quarantine import Quarantine
from carteiro.worker.delivery.service import Service


async def test_no_more_outcomes_are_delivered_together_than_the_service_allows() -> None:
    delivered: list[list[int]] = []

    async def deliver(outcomes: Mapping[int, Any]) -> None:
        delivered.append(list(outcomes))

    async def unused(*_: Any) -> Any:
        raise AssertionError

    service = Service(
        group="g",
        window=8,
        by_key=False,
        serve=unused,
        condemn=unused,
        courier=lambda _: Mock(deliver=deliver),
        may_begin=lambda: True,
        quarantine=Quarantine(),
        prepare=unused,
        forget=lambda _: None,
        at_once=3,
    )
    lane = Lane(TopicPartition("t", 0), Mock(), service)
    for offset in range(7):
        lane._outbox.put(offset, Mock())
    delivering = asyncio.create_task(lane._deliver())
    await asyncio.sleep(0)
    delivering.cancel()
    assert delivered == [[0, 1, 2], [3, 4, 5], [6]]

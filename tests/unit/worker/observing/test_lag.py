"""How many requests wait, by what a broker says."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from carteiro.wire.topics import Topics
from carteiro.worker.observing.lag import lags
from services.generate.task import task

REQUESTS = "llm.generate.requests"


class Broker:
    """Two partitions of ten records each, as an admin client and a consumer see them."""

    def __init__(self, committed: dict[int, int]) -> None:
        self._committed = committed

    async def list_topics(self) -> list[str]:
        return [REQUESTS, "another"]

    async def describe_topics(self, topics: list[str]) -> list[dict[str, Any]]:
        return [{"topic": topic, "partitions": [{"partition": 0}, {"partition": 1}]} for topic in topics]

    async def list_consumer_group_offsets(self, group: str, partitions: Any) -> dict[TopicPartition, OffsetAndMetadata]:
        assert group == "carteiro-generate"
        return {TopicPartition(REQUESTS, each): OffsetAndMetadata(at, "") for each, at in self._committed.items()}

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 3)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 10)


async def lag(committed: dict[int, int]) -> dict[tuple[str, int], int]:
    broker: Any = Broker(committed)
    return await lags(broker, broker, [task], Topics("llm"))


async def test_what_no_commit_has_passed_waits():
    assert await lag({0: 8, 1: -1}) == {("generate", 0): 2, ("generate", 1): 7}


async def test_offsets_that_a_restarted_broker_has_yet_to_load_are_not_taken_for_none():
    """aiokafka passes over the error of the answer as a whole, and gives fewer partitions than it was asked for."""
    with pytest.raises(KafkaError, match=REQUESTS):
        await lag({})

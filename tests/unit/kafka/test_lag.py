"""The consumer lag of a task, by a broker's offsets."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from carteiro.kafka.lag import partition_lags
from carteiro.wire.topics import Topics
from services.generate.task import task

REQUESTS = "llm.generate.requests"


class FakeLagBroker:
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


async def measure_lag(committed: dict[int, int]) -> dict[tuple[str, int], int]:
    broker: Any = FakeLagBroker(committed)
    return await partition_lags(broker, broker, [task.name], Topics("llm"))


async def test_uncommitted_requests_count_as_lag():
    assert await measure_lag({0: 8, 1: -1}) == {("generate", 0): 2, ("generate", 1): 7}


async def test_lag_of_other_topics_is_that_of_their_own_groups():
    broker: Any = FakeLagBroker({0: 8, 1: 9})
    lags = await partition_lags(broker, broker, [], Topics("llm"), "carteiro-generate", {"index-docs": REQUESTS})
    assert lags == {("index-docs", 0): 2, ("index-docs", 1): 1}


async def test_end_offset_older_than_the_commit_gives_zero_lag():
    assert await measure_lag({0: 11, 1: 10}) == {("generate", 0): 0, ("generate", 1): 0}


async def test_offsets_that_a_restarted_broker_has_not_loaded_are_an_error():
    """aiokafka ignores the error of the whole response, and returns fewer partitions than requested."""
    with pytest.raises(KafkaError, match=REQUESTS):
        await measure_lag({})

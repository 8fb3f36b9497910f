from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CoordinatorLoadInProgressError
from aiokafka.structs import OffsetAndMetadata

from carteiro.kafka.committed_offsets import committed_offsets

PARTITIONS = [TopicPartition("t", 0), TopicPartition("t", 1)]


class Admin:
    """An admin client that answers with the offsets of the first `known` partitions."""

    def __init__(self, known: int) -> None:
        self._known = known

    async def list_consumer_group_offsets(self, _: str, partitions: Any) -> dict[TopicPartition, OffsetAndMetadata]:
        return {each: OffsetAndMetadata(7, "") for each in partitions[: self._known]}


async def test_offsets_of_all_partitions_are_returned() -> None:
    found = await committed_offsets(Admin(2), "g", PARTITIONS)
    assert {each: offset.offset for each, offset in found.items()} == dict.fromkeys(PARTITIONS, 7)


async def test_partition_that_is_left_out_is_an_error() -> None:
    with pytest.raises(CoordinatorLoadInProgressError, match="the offsets of g are not known yet for t"):
        await committed_offsets(Admin(1), "g", PARTITIONS)

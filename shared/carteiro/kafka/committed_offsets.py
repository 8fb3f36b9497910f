"""Committed offsets of a consumer group, read from outside the group."""

from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CoordinatorLoadInProgressError
from aiokafka.structs import OffsetAndMetadata


async def committed_offsets(
    admin: AIOKafkaAdminClient, group: str, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return the group's committed offset of each partition; -1 if nothing is committed. Raise `KafkaError`.

    The admin client ignores an error of the whole group, for example if a restarted broker has not loaded it yet. It
    then leaves partitions out. That does not mean that nothing is committed, so it is an error here.
    """
    found: dict[TopicPartition, OffsetAndMetadata] = await admin.list_consumer_group_offsets(
        group, partitions=list(partitions)
    )
    if missing := [each for each in partitions if each not in found]:
        raise CoordinatorLoadInProgressError(f"the offsets of {group} are not known yet for {missing[0].topic}")
    return found

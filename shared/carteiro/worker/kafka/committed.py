"""What a consumer group has committed, as an outsider asks."""

from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CoordinatorLoadInProgressError
from aiokafka.structs import OffsetAndMetadata


async def committed_offsets(
    admin: AIOKafkaAdminClient, group: str, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """The group's offset of each partition, -1 where it has committed none. Raises `KafkaError`.

    The admin client passes over an error of the whole group, such as a restarted broker's that has yet to load it, and
    then leaves partitions out: that is no word of what is committed.
    """
    found: dict[TopicPartition, OffsetAndMetadata] = await admin.list_consumer_group_offsets(
        group, partitions=list(partitions)
    )
    if missing := [each for each in partitions if each not in found]:
        raise CoordinatorLoadInProgressError(f"the offsets of {group} are not known yet for {missing[0].topic}")
    return found

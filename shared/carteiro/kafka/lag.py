"""The consumer lag of tasks: requests that are not committed yet."""

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from carteiro.kafka.committed_offsets import committed_offsets
from carteiro.wire.topics import Topics


async def partition_lags(
    admin: AIOKafkaAdminClient,
    consumer: AIOKafkaConsumer,
    tasks: Sequence[str],
    names: Topics,
    group: str | None = None,
) -> dict[tuple[str, int], int]:
    """Return the lag of each task's partitions, by task and partition. Tasks without a topic are left out.

    `group` is the consumer group of all tasks, if the workers have a common group. A request that finished out of order
    counts until all requests before it are finished. Raise `KafkaError`.
    """
    topics = {names.requests(task): task for task in tasks}
    found: dict[tuple[str, int], int] = {}
    # Describing a missing topic may create it, so only existing topics are described.
    existing = [topic for topic in await admin.list_topics() if topic in topics]
    for described in await admin.describe_topics(existing) if existing else ():
        topic, task = described["topic"], topics[described["topic"]]
        partitions = [TopicPartition(topic, each["partition"]) for each in described["partitions"]]
        committed = await committed_offsets(admin, group or names.group(task), partitions)
        first, last = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        for each in partitions:
            # A broker may return an end that is older than the commit, so the difference may be negative.
            found[task, each.partition] = max(0, last[each] - max(committed[each].offset, first[each]))
    return found

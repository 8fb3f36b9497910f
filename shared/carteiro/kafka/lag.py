"""The consumer lag of tasks: requests that are not committed yet."""

from collections.abc import Mapping, Sequence

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
    more: Mapping[str, str] | None = None,
) -> dict[tuple[str, int], int]:
    """Return the lag of each task's partitions, by task and partition. Tasks without a topic are left out.

    `more` are names that are no tasks', such as those of collections, with their topics.

    `group` is the consumer group of all tasks, if the workers have a common group. A request that finished out of order
    counts until all requests before it are finished. Raise `KafkaError`.
    """
    topics = {names.requests(task): task for task in tasks} | {topic: name for name, topic in (more or {}).items()}
    found: dict[tuple[str, int], int] = {}
    # Describing a missing topic may create it, so only existing topics are described.
    existing = [topic for topic in await admin.list_topics() if topic in topics]
    for topic in existing:
        task = topics[topic]
        for partition, lag in (await topic_lag(admin, consumer, topic, group or names.group(task))).items():
            found[task, partition] = lag
    return found


async def topic_lag(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, topic: str, group: str) -> dict[int, int]:
    """Return the lag of a group in each partition of a topic, which exists. Raise `KafkaError`."""
    (described,) = await admin.describe_topics([topic])
    partitions = [TopicPartition(topic, each["partition"]) for each in described["partitions"]]
    committed = await committed_offsets(admin, group, partitions)
    first, last = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    # A broker may return an end that is older than the commit, so the difference may be negative.
    return {each.partition: max(0, last[each] - max(committed[each].offset, first[each])) for each in partitions}

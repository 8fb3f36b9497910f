"""How many requests wait: those that no worker's commit has passed yet."""

from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from carteiro.wire.topics import Topics
from carteiro.worker.kafka.committed import committed_offsets
from carteiro.worker.task import Task


async def lags(
    admin: AIOKafkaAdminClient,
    consumer: AIOKafkaConsumer,
    tasks: Sequence[Task[Any, Any]],
    names: Topics,
    group: str | None = None,
) -> dict[tuple[str, int], int]:
    """The lag of each task's partitions whose topic is there. `group` is that of all workers, where one is set.

    Requests that are finished out of order count until those before them are finished too. Raises `KafkaError`.
    """
    topics = {names.requests(task.name): task.name for task in tasks}
    found: dict[tuple[str, int], int] = {}
    # Asking about a topic that is not there may create it.
    there = [topic for topic in await admin.list_topics() if topic in topics]
    for described in await admin.describe_topics(there) if there else ():
        topic, task = described["topic"], topics[described["topic"]]
        partitions = [TopicPartition(topic, each["partition"]) for each in described["partitions"]]
        committed = await committed_offsets(admin, group or f"carteiro-{task}", partitions)
        first, last = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        for each in partitions:
            found[task, each.partition] = last[each] - max(committed[each].offset, first[each])
    return found

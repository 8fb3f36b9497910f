"""The topics that the services need, for a Kafka cluster that does not create topics automatically."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from aiokafka.admin import NewTopic

from carteiro.tasks.task import Task
from carteiro.wire.topics import Topics

_COMPACTED = {"cleanup.policy": "compact"}
JOURNAL_CONFIG = {
    "cleanup.policy": "compact,delete",
    "retention.ms": str(7 * 24 * 3600 * 1000),
    "segment.bytes": str(16 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.1",
    "delete.retention.ms": str(3600 * 1000),
}
"""Configuration of a journal. Its partitions stay short, since their next owner reads them. What no reply has deleted
goes after a week, such as the calls of a dead letter.
"""


def required_topics(
    tasks: Iterable[Task[Any, Any]],
    names: Topics,
    *,
    partitions: int,
    replication: int,
    batches: bool,
    existing: Mapping[str, int] = MappingProxyType({}),
) -> list[NewTopic]:
    """Return the topics that the tasks read and write.

    Dead-letter topics have one partition. All other topics have as many as the requests topics: `partitions`, or as
    `existing` says, which has the partitions of topics by their names. With `batches`, topics for deferred requests and
    their batches are included.
    """
    topics: list[NewTopic] = []
    for task in tasks:
        count = existing.get(names.requests(task.name), partitions)
        topics += [
            NewTopic(names.requests(task.name), count, replication),
            NewTopic(names.replies(task.name), count, replication),
            NewTopic(names.dead(task.name), 1, replication),
        ]
        if task.keeps_conversations:
            name = names.conversations(task.name)
            topics.append(NewTopic(name, count, replication, topic_configs=_COMPACTED))
        if task.shares_model:  # one call of other models is all that they need
            topics.append(NewTopic(names.journal(task.name), count, replication, topic_configs=JOURNAL_CONFIG))
        if batches:
            deferred = existing.get(names.deferred(task.name), count)
            topics += [
                NewTopic(names.deferred(task.name), count, replication),
                NewTopic(names.batches(task.name), deferred, replication, topic_configs=_COMPACTED),
            ]
    return topics

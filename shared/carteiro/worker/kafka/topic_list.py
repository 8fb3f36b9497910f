"""The topics that the services need, for a Kafka where somebody has to make them."""

from collections.abc import Iterable
from typing import Any

from aiokafka.admin import NewTopic

from carteiro.wire.topics import Topics
from carteiro.worker.task import Task

_COMPACTED = {"cleanup.policy": "compact"}


def needed_topics(
    tasks: Iterable[Task[Any, Any]], names: Topics, *, partitions: int, replication: int, batches: bool
) -> list[NewTopic]:
    """What the tasks read and write. Dead letters have one partition; what is kept beside requests has as many as they
    have. With `batches` there is room for requests that can wait.
    """
    made: list[NewTopic] = []
    for task in tasks:
        made += [
            NewTopic(names.requests(task.name), partitions, replication),
            NewTopic(names.replies(task.name), partitions, replication),
            NewTopic(names.dead(task.name), 1, replication),
        ]
        if task.keeps_conversations:
            name = names.conversations(task.name)
            made.append(NewTopic(name, partitions, replication, topic_configs=_COMPACTED))
        if batches:
            made += [
                NewTopic(names.waiting(task.name), partitions, replication),
                NewTopic(names.batches(task.name), partitions, replication, topic_configs=_COMPACTED),
            ]
    return made

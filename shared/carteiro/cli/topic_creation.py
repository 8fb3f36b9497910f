"""Creation of the topics that the services need."""

import os
from collections.abc import Iterable
from pathlib import Path

from aiokafka.admin import NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from carteiro.cli.exit_codes import EXIT_USAGE, exit_with
from carteiro.cli.kafka import KafkaFailed, KafkaSession, read_kafka_settings, with_kafka
from carteiro.index.collection_source import CollectionFileInvalid, load_collections
from carteiro.index.topic_specs import collection_topics
from carteiro.tasks.discovery import find_tasks
from carteiro.tasks.topic_specs import required_topics


def create_missing_topics(*, partitions: int, replication: int, batches: bool, wait: bool = False) -> dict[str, bool]:
    """Create the topics that are missing. Return each topic's name, and True if it was created.

    A topic whose partitions belong to those of an existing one gets as many, whatever `partitions` says. If `wait` is
    True, wait until Kafka answers.
    """

    settings = read_kafka_settings(quiet=not wait)
    try:
        collections = load_collections(os.environ.get("CARTEIRO_COLLECTIONS"), settings.topics)
    except CollectionFileInvalid as error:
        exit_with(f"CARTEIRO_COLLECTIONS: {error}", EXIT_USAGE)

    tools = _tool_topics()
    tasks = find_tasks()

    async def work(kafka: KafkaSession) -> dict[str, bool]:
        names = kafka.topics
        decisive = {each.source for each in collections}
        decisive |= {topic for task in tasks for topic in (names.requests(task.name), names.deferred(task.name))}
        existing = await _partition_counts(kafka, decisive & kafka.existing)
        wanted = required_topics(
            tasks, names, partitions=partitions, replication=replication, batches=batches, existing=existing
        )
        wanted += collection_topics(
            collections, names, partitions=partitions, replication=replication, existing=existing
        )
        wanted += [NewTopic(topic, partitions, replication) for topic in tools]
        answer = await kafka.admin.create_topics([each for each in wanted if each.name not in kafka.existing])
        created = {each.name: each.name not in kafka.existing for each in wanted}
        for topic, code, *detail in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise KafkaFailed(f"{topic} cannot be created: {detail[0] if detail and detail[0] else error.__name__}")
            created[topic] = not code
        return created

    return with_kafka(settings, work, wait=wait)


async def _partition_counts(kafka: KafkaSession, topics: Iterable[str]) -> dict[str, int]:
    if not (names := sorted(topics)):
        return {}
    return {each["topic"]: len(each["partitions"]) for each in await kafka.admin.describe_topics(names)}


def _tool_topics() -> list[str]:
    """Return the topics of the tools in the file of `CARTEIRO_TOOLS`. Exit with an error if it is invalid.

    A file that is not there gives none: a cluster's job has the setting, but only the workers have the file.
    """
    path = Path(os.environ.get("CARTEIRO_TOOLS", ""))
    if not path.is_file():
        return []
    from carteiro.settings.tools_file import ToolsFileInvalid, load_tools_file

    try:
        file = load_tools_file(path)
    except ToolsFileInvalid as error:
        exit_with(f"CARTEIRO_TOOLS: {error}", EXIT_USAGE)
    return list(dict.fromkeys(topic for entry in file.topics.values() for topic in (entry.topic, entry.replies)))

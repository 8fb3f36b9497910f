"""Creation of the topics that the services need."""

import os

from aiokafka.errors import TopicAlreadyExistsError, for_code

from carteiro.cli.exit_codes import EXIT_USAGE, exit_with
from carteiro.cli.kafka import KafkaFailed, KafkaSession, read_kafka_settings, with_kafka
from carteiro.index.collection_source import CollectionFileInvalid, load_collections
from carteiro.index.topic_specs import collection_topics
from carteiro.tasks.discovery import find_tasks
from carteiro.tasks.topic_specs import required_topics


def create_missing_topics(*, partitions: int, replication: int, batches: bool, wait: bool = False) -> dict[str, bool]:
    """Create the topics that are missing. Return each topic's name, and True if it was created.

    If `wait` is True, wait until Kafka answers.
    """

    settings = read_kafka_settings(quiet=not wait)
    try:
        collections = load_collections(os.environ.get("CARTEIRO_COLLECTIONS"), settings.topics)
    except CollectionFileInvalid as error:
        exit_with(f"CARTEIRO_COLLECTIONS: {error}", EXIT_USAGE)

    async def work(kafka: KafkaSession) -> dict[str, bool]:
        wanted = required_topics(
            find_tasks(), kafka.topics, partitions=partitions, replication=replication, batches=batches
        )
        wanted += collection_topics(collections, kafka.topics, partitions=partitions, replication=replication)
        answer = await kafka.admin.create_topics([each for each in wanted if each.name not in kafka.existing])
        created = {each.name: each.name not in kafka.existing for each in wanted}
        for topic, code, *detail in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise KafkaFailed(f"{topic} cannot be created: {detail[0] if detail and detail[0] else error.__name__}")
            created[topic] = not code
        return created

    return with_kafka(settings, work, wait=wait)

"""The topics that collections need, for a Kafka cluster that does not create topics automatically."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from aiokafka.admin import NewTopic

from carteiro.index.collection_source import CollectionSource
from carteiro.wire.topics import Topics

_COMPACTED = {"cleanup.policy": "compact"}


def collection_topics(
    sources: Iterable[CollectionSource],
    names: Topics,
    *,
    partitions: int,
    replication: int,
    existing: Mapping[str, int] = MappingProxyType({}),
) -> list[NewTopic]:
    """Return the topics of collections: their dead letters, their documents unless they have a topic of others, and the
    batches of those that wait. `existing` has the partitions of topics by their names.
    """
    topics: list[NewTopic] = []
    for source in sources:
        count = existing.get(source.source, partitions)
        if source.source == names.documents(source.served_name):
            topics.append(NewTopic(source.source, count, replication, topic_configs=_COMPACTED))
        topics.append(NewTopic(names.dead(source.served_name), 1, replication))
        if source.wait and source.source == names.documents(source.served_name):
            topics.append(NewTopic(names.batches(source.served_name), count, replication, topic_configs=_COMPACTED))
    return topics

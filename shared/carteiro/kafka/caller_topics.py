"""A producer's client that looks up callers' topics without creating them, and drops unused ones from its metadata.

aiokafka requests the metadata of each topic that it ever sent to, and each time lets the broker create missing topics.
A topic that its owner has deleted would be created again.

The class uses private names of aiokafka; `tests/unit/worker/test_contract.py` pins them.
"""

import random
import time
from collections.abc import Collection
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    LeaderNotAvailableError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.protocol.metadata import MetadataRequest

_TTL_SECONDS = 3600.0
_MAX_TOPICS = 1_000
_partitioner = DefaultPartitioner()


class CallerTopicClient(AIOKafkaClient):  # type: ignore[misc]
    """A client that never creates a caller's topic, and drops it from its metadata after an hour without use."""

    caller_topics: dict[str, float]
    """Time of the latest use (monotonic seconds) by topic, in the order of these times."""

    def mark_used(self, topic: str) -> None:
        """Record that a caller's topic is used now."""
        self.caller_topics.pop(topic, None)
        self.caller_topics[topic] = time.monotonic()

    async def find(self, topics: Collection[str]) -> ClusterMetadata:
        """Fetch the current metadata of callers' topics. Raise `KafkaError` if no broker answers."""
        for topic in topics:
            self.mark_used(topic)
        found = ClusterMetadata()
        if not await self._fetch_metadata(found, topics):
            raise KafkaConnectionError("no broker answers")
        for topic in topics:
            if found.partitions_for_topic(topic) is None:
                self._topics.discard(topic)
            else:
                self.add_topic(topic)
        return found

    async def _metadata_update(self, cluster_metadata: ClusterMetadata, topics: Collection[str]) -> bool:
        self._evict_unused()
        ours = set(topics) - self.caller_topics.keys()
        if len(ours) == len(topics):
            return bool(await super()._metadata_update(cluster_metadata, topics))
        if missing := {topic for topic in ours if self.cluster.partitions_for_topic(topic) is None}:
            # Carteiro's own topics may be created by a metadata request.
            await super()._metadata_update(ClusterMetadata(), missing)
        if await self._fetch_metadata(cluster_metadata, topics):
            return True
        cluster_metadata.failed_update(None)
        return False

    async def _fetch_metadata(self, metadata: ClusterMetadata, topics: Collection[str]) -> bool:
        """Fetch the metadata of topics without creating them. Return False if no broker answers."""
        nodes = [broker.nodeId for broker in self.cluster.brokers()]
        random.shuffle(nodes)
        for node in nodes:
            try:
                answer = await self.send(node, MetadataRequest(sorted(topics), allow_auto_topic_creation=False))
            except KafkaError:
                continue
            if answer.brokers:
                metadata.update_metadata(answer)
                return True
        return False

    def _evict_unused(self) -> None:
        limit = time.monotonic() - _TTL_SECONDS
        surplus = len(self.caller_topics) - _MAX_TOPICS
        for number, (topic, used) in enumerate(list(self.caller_topics.items())):
            if used > limit and number >= surplus:
                break
            if self._topics == {topic}:
                continue  # a request for no topics would return all topics
            del self.caller_topics[topic]
            self._topics.discard(topic)


def write_problem(found: ClusterMetadata, topic: str, partition: int | None, key: bytes | None) -> KafkaError | None:
    """Return the error if a record cannot be written to a topic now, by the metadata `found`; None if it can."""
    partitions = found.partitions_for_topic(topic)
    if partitions is None:
        if topic in found.unauthorized_topics:
            return TopicAuthorizationFailedError(topic)
        return UnknownTopicOrPartitionError(topic)
    available: Any = found.available_partitions_for_topic(topic) or set()
    if partition is None:
        partition = _partitioner(key, sorted(partitions), sorted(available))
    if partition not in partitions:
        return UnknownTopicOrPartitionError(f"{topic}/{partition}")
    return None if partition in available else LeaderNotAvailableError(topic)

"""The router of replies: the topic and partition of each reply."""

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Any

import structlog
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError
from aiokafka.partitioner import DefaultPartitioner

from carteiro.kafka.connection import probe_connection
from carteiro.schemas import FieldError
from carteiro.wire.envelope import Envelope

log = structlog.get_logger("carteiro.worker")

_partitioner = DefaultPartitioner()
_LOOKUP_TIMEOUT_SECONDS = 5.0
_MISSING_TTL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ReplyAddress:
    """Topic and partition of a reply. The producer chooses the partition if it is None."""

    topic: str
    partition: int | None = None
    problem: FieldError | None = None
    """Reason if the reply cannot be sent to the topic or partition that its request names."""


class ReplyRouter:
    """Router of replies. It finds the topics that requests name in a producer's metadata."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._missing_until: dict[str, float] = {}
        self.producer: Any | None = None

    async def resolve(self, envelope: Envelope, default_reply_topic: str) -> ReplyAddress:
        """Return the address that the request names; if it does not exist, the default topic with the problem."""
        topic, partition = envelope.reply_topic or default_reply_topic, envelope.reply_partition
        if topic == default_reply_topic and partition is None:
            return ReplyAddress(default_reply_topic)
        partitions = await self._partitions(topic, is_own=topic == default_reply_topic)
        if not partitions:
            return fallback_address(default_reply_topic, f"there is no topic {topic!r} that this service can write to")
        if partition is not None and partition not in partitions:
            return fallback_address(default_reply_topic, f"{topic!r} has no partition {partition}")
        return ReplyAddress(topic, partition)

    async def with_partition(self, address: ReplyAddress, key: bytes | None) -> ReplyAddress:
        """Return the address with a fixed partition, so that several records stay in order.

        It is the partition that a Kafka client chooses for the key. Raise `KafkaError` if the lookup fails.
        """
        assert self.producer is not None
        if address.partition is not None:
            return address
        partitions = sorted(await self.producer.partitions_for(address.topic))
        return replace(address, partition=_partitioner(key, partitions, partitions))

    async def _partitions(self, topic: str, *, is_own: bool) -> set[int]:
        """Return the partitions of a topic; the empty set if there is no such topic.

        If the broker creates topics at a lookup, that happens only for the task's own topic (`is_own`).
        """
        assert self.producer is not None
        client = self.producer.client
        if not is_own and client.cluster.partitions_for_topic(topic) is not None:
            client.mark_used(topic)
            return set(client.cluster.partitions_for_topic(topic))
        if self._missing_until.get(topic, 0.0) > time.monotonic():
            return set()
        while True:
            try:
                # `wait_for` of Python 3.11 may swallow a cancellation at the end of the lookup.
                async with asyncio.timeout(_LOOKUP_TIMEOUT_SECONDS):
                    if is_own:
                        return set(await self.producer.partitions_for(topic))
                    found = await client.find([topic])
                if (partitions := found.partitions_for_topic(topic)) is not None:
                    return set(partitions)
                raise UnknownTopicOrPartitionError(topic)
            except (TimeoutError, UnknownTopicOrPartitionError, TopicAuthorizationFailedError) as error:
                if isinstance(error, TimeoutError) and (reason := await probe_connection(self._options)):
                    log.warning("cannot look up the reply topic; trying again", topic=topic, reason=str(reason))
                    continue
                # The missing topic is remembered: many requests that name it must not each wait for a lookup.
                self._missing_until = {
                    name: until for name, until in self._missing_until.items() if until > time.monotonic()
                }
                self._missing_until[topic] = time.monotonic() + _MISSING_TTL_SECONDS
                return set()
            except KafkaError as error:
                log.warning("cannot look up the reply topic; trying again", topic=topic, reason=repr(error))
                await asyncio.sleep(1)


def fallback_address(default_reply_topic: str, reason: str) -> ReplyAddress:
    """Return the task's own topic of replies, with the reason why the requested topic cannot be used."""
    return ReplyAddress(default_reply_topic, problem=FieldError(field="reply topic", reason=reason))

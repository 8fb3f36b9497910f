"""Where replies go."""

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError
from aiokafka.partitioner import DefaultPartitioner

from carteiro.schemas import FieldError
from carteiro.wire.envelope import Envelope
from carteiro.worker.kafka.reaching import why_unreachable

log = structlog.get_logger("carteiro.worker")

_choose = DefaultPartitioner()
_TOPIC_SECONDS = 5.0
_FORGET_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a reply goes. `problem` says why not to where its request asked, if it cannot."""

    topic: str
    partition: int | None = None
    problem: FieldError | None = None


class Addresses:
    """Looks up, with a producer's metadata, whether the topics that requests name are there."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._absent: dict[str, float] = {}
        self.producer: AIOKafkaProducer | None = None

    async def find(self, envelope: Envelope, replies: str) -> Address:
        """Where the reply to a request goes: where it asks, if that is there, else to the topic `replies`."""
        topic, partition = envelope.reply_topic or replies, envelope.reply_partition
        if topic == replies and partition is None:
            return Address(replies)
        partitions = await self._partitions(topic)
        if not partitions:
            return instead(replies, f"there is no topic {topic!r} that this service can write to")
        if partition is not None and partition not in partitions:
            return instead(replies, f"{topic!r} has no partition {partition}")
        return Address(topic, partition)

    async def pinned(self, address: Address, key: bytes | None) -> Address:
        """The address with its partition named: the one that a client library would choose for the key, so that several
        records stay in order. Raises `KafkaError`.
        """
        assert self.producer is not None
        if address.partition is not None:
            return address
        partitions = sorted(await self.producer.partitions_for(address.topic))
        return replace(address, partition=_choose(key, partitions, partitions))

    async def _partitions(self, topic: str) -> set[int]:
        """The partitions of a topic, none where it is not there. Asking may create it, where the broker does so."""
        assert self.producer is not None
        if self._absent.get(topic, 0.0) > time.monotonic():
            return set()
        while True:
            try:
                return set(await asyncio.wait_for(self.producer.partitions_for(topic), _TOPIC_SECONDS))
            except (TimeoutError, UnknownTopicOrPartitionError, TopicAuthorizationFailedError) as error:
                if isinstance(error, TimeoutError) and (reason := await why_unreachable(self._options)):
                    log.warning("cannot look up the reply topic; trying again", topic=topic, reason=str(reason))
                    continue
                # Remembered for a while: many such requests in a row must not wait one after the other.
                self._absent = {name: until for name, until in self._absent.items() if until > time.monotonic()}
                self._absent[topic] = time.monotonic() + _FORGET_SECONDS
                return set()
            except KafkaError as error:
                log.warning("cannot look up the reply topic; trying again", topic=topic, reason=repr(error))
                await asyncio.sleep(1)


def instead(replies: str, reason: str) -> Address:
    """The service's own topic of replies, for a reason that concerns the one that was asked for."""
    return Address(replies, problem=FieldError(field="reply topic", reason=reason))

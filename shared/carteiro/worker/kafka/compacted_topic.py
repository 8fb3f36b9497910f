"""A topic in which a service keeps what it has to know of its partitions: made where it is missing, and read."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from carteiro.worker.kafka.reaching import admin_client

log = structlog.get_logger("carteiro.worker")

NOBODY = b""
"""A key that nothing else has."""
_SILENCE_SECONDS = 20.0
_TRUST_SECONDS = 5.0
"""How long the topics are taken to be as they were seen: many partitions are mostly assigned at once."""
_READERS = 4


class TopicUnusable(Exception):
    """Nothing can be kept, and waiting does not help. The message says why, and what to do."""


class CompactedTopic:
    """A compacted topic with as many partitions as the topic of requests: each keeps what belongs to its own."""

    def __init__(
        self,
        name: str,
        requests: str,
        options: dict[str, Any],
        producer: Callable[[], AIOKafkaProducer],
        *,
        loses: str,
    ) -> None:
        """`options` are aiokafka's, to reach Kafka. `loses` says what deleting the topic does."""
        self.name, self._loses = name, loses
        self._requests, self.options, self._producer = requests, options, producer
        self._looking, self._reading = asyncio.Lock(), asyncio.Semaphore(_READERS)
        self._seen_at = -_TRUST_SECONDS

    async def read(self, partition: int) -> tuple[dict[bytes, bytes], int]:
        """What is kept in a partition, by key, and the offset to which that was read.

        Raises `TopicUnusable`, and `KafkaError` or `TimeoutError` for what may pass.
        """
        async with self._looking:
            if time.monotonic() - self._seen_at > _TRUST_SECONDS:
                await self._look()
                self._seen_at = time.monotonic()
        async with self._reading:
            try:
                # A transaction with a record that may not be written would fail with all that is in it.
                async with asyncio.timeout(_SILENCE_SECONDS):
                    await self._producer().send_and_wait(self.name, None, NOBODY, partition)
                return await read_compacted(self.options, TopicPartition(self.name, partition))
            except KafkaError as error:
                if error.retriable:
                    raise
                raise TopicUnusable(
                    f"this service may not write to and read {self.name} ({error}): allow it both"
                ) from error

    async def _look(self) -> None:
        """Make the topic where it is missing, and see that it has the right partitions."""
        async with admin_client(self.options) as admin:
            there = await admin.list_topics()
            names = [each for each in (self._requests, self.name) if each in there]
            found = {each["topic"]: each["partitions"] for each in await admin.describe_topics(names)}
            requests = found.get(self._requests, [])
            if self.name not in found:
                replicas = len(requests[0]["replicas"]) if requests else 1
                topic = NewTopic(self.name, len(requests), replicas, topic_configs={"cleanup.policy": "compact"})
                await self._create(admin, topic)
            elif len(found[self.name]) != len(requests):
                raise TopicUnusable(
                    f"{self.name} has {len(found[self.name])} partitions and {self._requests} has {len(requests)}: "
                    f"delete {self.name}, which {self._loses}, or give both as many"
                )

    async def _create(self, admin: AIOKafkaAdminClient, topic: NewTopic) -> None:
        ((_, code, message),) = (await admin.create_topics([topic])).topic_errors
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            if error.retriable:
                raise error(message)
            raise TopicUnusable(
                f"there is no topic {self.name}, and it cannot be created ({error.__name__}): create it with "
                f"cleanup.policy=compact and {topic.num_partitions} partitions, as many as {self._requests} has"
            )
        if not code:
            log.info("created a topic", topic=self.name, partitions=topic.num_partitions)


async def read_compacted(options: dict[str, Any], partition: TopicPartition) -> tuple[dict[bytes, bytes], int]:
    """What is kept in a partition of a compacted topic, by key, and the offset to which that was read. `options` are
    aiokafka's, to reach Kafka. Raises `KafkaError` and `TimeoutError`.
    """
    kept: dict[bytes, bytes] = {}
    consumer = AIOKafkaConsumer(
        **options, isolation_level="read_committed", auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        await consumer.start()
        consumer.assign([partition])
        # With `read_committed` this is where the first open transaction begins, and there is none of ours.
        end = (await consumer.end_offsets([partition]))[partition]
        await consumer.seek_to_beginning(partition)
        position, heard = await consumer.position(partition), time.monotonic()
        while position < end:
            for record in (await consumer.getmany(partition, timeout_ms=200)).get(partition, ()):
                if record.value is None:
                    kept.pop(record.key, None)
                elif record.key is not None:
                    kept[record.key] = record.value
            before, position = position, await consumer.position(partition)
            if position != before:
                heard = time.monotonic()
            elif time.monotonic() - heard > _SILENCE_SECONDS:
                raise TimeoutError(f"the broker does not hand over {partition.topic}/{partition.partition}")
    finally:
        await consumer.stop()
    return kept, position

"""A compacted topic in which a service stores state of its partitions. It is created if it is missing, and read."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from carteiro.kafka.connection import admin_client
from carteiro.kafka.replay import replay
from carteiro.wire.record_batches.tolerant_reader import RAW_BATCH_OPTIONS

log = structlog.get_logger("carteiro.worker")

_PROBE_KEY = b""
"""The key of the probe record, which no other record has."""
_READ_TIMEOUT_SECONDS = 20.0
_CHECK_TTL_SECONDS = 5.0
"""Seconds for which a check of the topics stays valid, since many partitions are usually assigned at once."""
_MAX_READERS = 4
COMPACTED: Mapping[str, str] = {"cleanup.policy": "compact"}


class TopicUnusable(Exception):
    """The topic cannot be used, and waiting does not help. The message says why, and what to do."""


class CompactedTopic:
    """A compacted topic with as many partitions as the requests topic. Each partition stores the state of its peer."""

    def __init__(
        self,
        name: str,
        requests: str,
        options: dict[str, Any],
        producer: Callable[[], AIOKafkaProducer],
        *,
        deletion_effect: str,
        config: Mapping[str, str] = COMPACTED,
    ) -> None:
        """Describe the topic `name`, next to the requests topic `requests`.

        `options` are aiokafka's, for the connection. `deletion_effect` says what deleting the topic does, for error
        messages. `config` is the topic's own, if it is created here.
        """
        self._config = dict(config)
        self.name, self._deletion_effect = name, deletion_effect
        self._requests, self.options, self._producer = requests, options, producer
        self._check_lock, self._read_slots = asyncio.Lock(), asyncio.Semaphore(_MAX_READERS)
        self._checked_at = -_CHECK_TTL_SECONDS

    async def read(self, partition: int) -> tuple[dict[bytes, bytes], int]:
        """Return the latest values of a partition by key, and the offset up to which it was read.

        Raise `TopicUnusable`; raise `KafkaError` or `TimeoutError` if a retry may help.
        """
        await self.ensure()
        async with self._read_slots:
            try:
                # The probe finds a missing write permission early: later it would fail a whole transaction.
                async with asyncio.timeout(_READ_TIMEOUT_SECONDS):
                    await self._producer().send_and_wait(self.name, None, _PROBE_KEY, partition)
                values, position, _ = await read_compacted(self.options, TopicPartition(self.name, partition))
                return values, position
            except KafkaError as error:
                if error.retriable:
                    raise
                raise TopicUnusable(
                    f"this service may not write to and read {self.name} ({error}): allow it both"
                ) from error

    async def read_existing(self, partition: int, max_bytes: int) -> tuple[dict[bytes, bytes], int]:
        """Return the latest values of a partition of a topic that exists, by key, as `read_compacted` does, and the
        number of keys that `max_bytes` leaves out.

        Raise `KafkaError` or `TimeoutError`.
        """
        async with self._read_slots:
            values, _, left_out = await read_compacted(self.options, TopicPartition(self.name, partition), max_bytes)
            return values, left_out

    async def ensure(self) -> None:
        """Create the topic if it is missing. Raise `TopicUnusable`; raise `KafkaError` if a retry may help."""
        async with self._check_lock:
            if time.monotonic() - self._checked_at > _CHECK_TTL_SECONDS:
                await self._check_topic()
                self._checked_at = time.monotonic()

    async def _check_topic(self) -> None:
        """Create the topic if it is missing, and check its number of partitions."""
        async with admin_client(self.options) as admin:
            existing = await admin.list_topics()
            names = [each for each in (self._requests, self.name) if each in existing]
            found = {each["topic"]: each["partitions"] for each in await admin.describe_topics(names)}
            requests = found.get(self._requests, [])
            if self.name not in found:
                replicas = len(requests[0]["replicas"]) if requests else 1
                topic = NewTopic(self.name, len(requests), replicas, topic_configs=self._config)
                await self._create(admin, topic)
            elif len(found[self.name]) != len(requests):
                raise TopicUnusable(
                    f"{self.name} has {len(found[self.name])} partitions and {self._requests} has {len(requests)}: "
                    f"delete {self.name}, which {self._deletion_effect}, or give both as many"
                )

    async def _create(self, admin: AIOKafkaAdminClient, topic: NewTopic) -> None:
        ((_, code, message),) = (await admin.create_topics([topic])).topic_errors
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            if error.retriable:
                raise error(message)
            config = ", ".join(f"{name}={value}" for name, value in self._config.items())
            raise TopicUnusable(
                f"there is no topic {self.name}, and it cannot be created ({error.__name__}): create it with "
                f"{config} and {topic.num_partitions} partitions, as many as {self._requests} has"
            )
        if not code:
            log.info("created a topic", topic=self.name, partitions=topic.num_partitions)


async def read_compacted(
    options: dict[str, Any], partition: TopicPartition, max_bytes: int | None = None
) -> tuple[dict[bytes, bytes], int, int]:
    """Return the latest values of a compacted topic's partition by key, the offset up to which it was read, and the
    number of keys that are left out.

    `options` are aiokafka's, for the connection. Of more than `max_bytes` of keys and values, the latest are returned.
    Raise `KafkaError` or `TimeoutError`.
    """
    values: dict[bytes, bytes] = {}
    left_out: set[bytes] = set()
    size = 0
    consumer = AIOKafkaConsumer(
        **options,
        **RAW_BATCH_OPTIONS,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        await consumer.start()
        consumer.assign([partition])
        starts = await consumer.beginning_offsets([partition])
        # With `read_committed`, the end is the start of the first open transaction. No open transaction is our own.
        async for record in replay(consumer, starts, stall_seconds=_READ_TIMEOUT_SECONDS):
            if record.key is None:
                continue
            left_out.discard(record.key)
            if (replaced := values.pop(record.key, None)) is not None:
                size -= len(record.key) + len(replaced)
            if record.value is not None:
                values[record.key] = record.value
                size += len(record.key) + len(record.value)
            while max_bytes is not None and size > max_bytes:
                earliest = next(iter(values))
                size -= len(earliest) + len(values.pop(earliest))
                left_out.add(earliest)
        position = await consumer.position(partition)
    finally:
        await consumer.stop()
    return values, position, len(left_out)

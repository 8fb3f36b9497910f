"""Conversations that somebody deletes from their topic while their partition is served here."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

log = structlog.get_logger("carteiro.worker")

_POLL_MS = 500
_PAUSE_SECONDS = 5.0


class Deletions:
    """Reads on in partitions of a topic, and tells `deleted` the partition and key of each record without a value."""

    def __init__(self, topic: str, options: dict[str, Any], deleted: Callable[[int, bytes], None]) -> None:
        """`options` are aiokafka's, to reach Kafka."""
        self._topic, self._options, self._deleted = topic, options, deleted
        self._next: dict[TopicPartition, int] = {}
        self._some, self._changed = asyncio.Event(), False

    def follow(self, partition: int, offset: int) -> None:
        """Read on in a partition, from this offset."""
        self._next[TopicPartition(self._topic, partition)] = offset
        self._changed = True
        self._some.set()

    def leave(self, partition: int) -> None:
        """Read a partition no more."""
        if self._next.pop(TopicPartition(self._topic, partition), None) is not None:
            self._changed = True
        if not self._next:
            self._some.clear()

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self._some.wait()
            consumer = AIOKafkaConsumer(
                **self._options, isolation_level="read_committed", auto_offset_reset="latest", enable_auto_commit=False
            )
            try:
                await consumer.start()
                self._changed = True
                while self._next:
                    await self._read(consumer)
            except (KafkaError, OSError) as error:
                log.warning("cannot see which conversations are deleted", topic=self._topic, reason=repr(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            finally:
                await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        if self._changed:
            consumer.assign(list(self._next))
            for partition, offset in self._next.items():
                consumer.seek(partition, offset)
            self._changed = False
        for partition, records in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
            if partition not in self._next or self._changed:
                continue
            for record in records:
                if record.value is None and record.key is not None:
                    self._deleted(partition.partition, record.key)
            self._next[partition] = records[-1].offset + 1

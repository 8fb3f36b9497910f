"""The watcher for tombstones: conversations that are deleted from their topic while this worker serves them."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from carteiro.wire.record_batches.tolerant_reader import RAW_BATCH_OPTIONS, poll_records

log = structlog.get_logger("carteiro.worker")

_POLL_MS = 500
_PAUSE_SECONDS = 5.0


class TombstoneWatcher:
    """Reader of new records in partitions of a topic.

    It calls `on_tombstone` with the partition and the key of each record without a value.
    """

    def __init__(self, topic: str, options: dict[str, Any], on_tombstone: Callable[[int, bytes], None]) -> None:
        """`options` are the connection options of aiokafka's clients."""
        self._topic, self._options, self._on_tombstone = topic, options, on_tombstone
        self._next_offsets: dict[TopicPartition, int] = {}
        self._has_partitions, self._assignment_changed = asyncio.Event(), False

    def watch(self, partition: int, offset: int) -> None:
        """Start to read a partition at this offset."""
        self._next_offsets[TopicPartition(self._topic, partition)] = offset
        self._assignment_changed = True
        self._has_partitions.set()

    def unwatch(self, partition: int) -> None:
        """Stop reading a partition."""
        if self._next_offsets.pop(TopicPartition(self._topic, partition), None) is not None:
            self._assignment_changed = True
        if not self._next_offsets:
            self._has_partitions.clear()

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self._has_partitions.wait()
            consumer = AIOKafkaConsumer(
                **self._options,
                **RAW_BATCH_OPTIONS,
                isolation_level="read_committed",
                auto_offset_reset="latest",
                enable_auto_commit=False,
            )
            try:
                await consumer.start()
                self._assignment_changed = True
                while self._next_offsets:
                    await self._read(consumer)
            except (KafkaError, OSError) as error:
                log.warning("cannot see which conversations are deleted", topic=self._topic, reason=repr(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            finally:
                await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        if self._assignment_changed:
            consumer.assign(list(self._next_offsets))
            for partition, offset in self._next_offsets.items():
                consumer.seek(partition, offset)
            self._assignment_changed = False
        for partition, records in (await poll_records(consumer, _POLL_MS)).items():
            if partition not in self._next_offsets or self._assignment_changed:
                continue
            for record in records:
                if record.value is None and record.key is not None:
                    self._on_tombstone(partition.partition, record.key)
            self._next_offsets[partition] = await consumer.position(partition)

"""Subclasses of aiokafka's batch accumulator and sender, for `bounded_producer`."""

import asyncio
import functools
import math
import time
from collections import defaultdict
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaError,
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
    UnknownTopicOrPartitionError,
)
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch
from aiokafka.producer.sender import Sender, SendProduceReqHandler
from aiokafka.structs import OffsetAndMetadata

from carteiro.kafka.record_errors import is_unwritten

log = structlog.get_logger("carteiro.delivery")

_MAX_TOPICS = 1_000
_LOG_INTERVAL_SECONDS = 60.0
_BATCH_OVERHEAD_BYTES = 64
"""Bytes of a batch in a produce request besides the batch, and of the frame of its compression."""


class RetrySender(Sender):  # type: ignore[misc]
    """aiokafka's sender, which also logs why it keeps retrying, gathers records between its requests, and adds a group
    to a transaction without offsets.
    """

    gather_seconds: float
    """Minimum seconds from one request to the next to the same broker."""

    async def _send_produce_req(self, node_id: int, batches: dict[TopicPartition, MessageBatch]) -> None:
        began = time.monotonic()
        await _ProduceHandler(self, batches).do(node_id)
        if (rest := began + self.gather_seconds - time.monotonic()) > 0:
            await asyncio.sleep(rest)
        self._in_flight.remove(node_id)
        self._muted_partitions.difference_update(batches)

    async def _do_txn_offset_commit(self, offsets: dict[TopicPartition, OffsetAndMetadata], group_id: str) -> None:
        if offsets:
            await super()._do_txn_offset_commit(offsets, group_id)
        else:
            _, _, added = self._txn_manager._pending_txn_offsets.popleft()  # noqa: SLF001
            added.set_result(None)


class _ProduceHandler(SendProduceReqHandler):  # type: ignore[misc]
    def _can_retry(self, error: KafkaError, batch: MessageBatch) -> bool:
        if isinstance(error, (NotEnoughReplicasError, NotEnoughReplicasAfterAppendError)):
            self._sender._message_accumulator.log_under_min_isr(batch.tp.topic)  # noqa: SLF001
        return bool(super()._can_retry(error, batch))


class BoundedAccumulator(MessageAccumulator):  # type: ignore[misc]
    """aiokafka's accumulator, with a bound on the size of the batches that are sent together."""

    max_request_bytes: int
    """Maximum bytes of the batches in one produce request."""
    max_batch_bytes: dict[str, int]
    """Maximum bytes of a batch, by topic, for topics that have rejected larger batches."""

    missing_topics: set[str]
    """Topics that no longer exist: batches for them fail at once."""

    under_min_isr: dict[str, float]
    """Time of the last log message (monotonic seconds), by topic, for topics with too few replicas in sync."""

    def log_under_min_isr(self, topic: str) -> None:
        """Log, at most once a minute, that a topic has too few replicas in sync to take records."""
        now = time.monotonic()
        if now - self.under_min_isr.get(topic, -math.inf) > _LOG_INTERVAL_SECONDS:
            if len(self.under_min_isr) >= _MAX_TOPICS:
                self.under_min_isr.clear()
            self.under_min_isr[topic] = now
            log.warning(
                "fewer replicas of a topic are in sync than its min.insync.replicas asks for; trying until more "
                "brokers are up",
                topic=topic,
            )

    def set_missing(self, topic: str, *, missing: bool) -> None:
        """Record that a caller's topic is missing, or exists."""
        if missing and len(self.missing_topics) < _MAX_TOPICS:
            self.missing_topics.add(topic)
        else:
            self.missing_topics.discard(topic)

    def limit_batch_bytes(self, topic: str, max_bytes: int) -> None:
        """Limit the next batches for a topic to `max_bytes` bytes."""
        if len(self.max_batch_bytes) >= _MAX_TOPICS:
            self.max_batch_bytes.clear()
        self.max_batch_bytes[topic] = min(self.max_batch_bytes.get(topic, max_bytes), max_bytes)

    def drain_by_nodes(self, ignore_nodes: Any, muted_partitions: Any = frozenset()) -> Any:
        for partition in [
            each for each in self._batches if each.topic in self.missing_topics and each not in muted_partitions
        ]:
            self._pop_batch(partition).failure(UnknownTopicOrPartitionError(partition.topic))
        return super().drain_by_nodes(
            ignore_nodes, frozenset(muted_partitions) | self._over_request_limit(muted_partitions)
        )

    def _over_request_limit(self, muted_partitions: Any) -> frozenset[TopicPartition]:
        """Return the partitions that have to wait for the next request to their broker."""
        sizes: dict[Any, float] = defaultdict(lambda: -math.inf)
        surplus = set()
        for partition, batches in self._batches.items():
            if partition in muted_partitions:
                continue
            leader = self._cluster.leader_for_partition(partition)
            size = batches[0]._builder.size() + len(partition.topic) + _BATCH_OVERHEAD_BYTES  # noqa: SLF001
            if sizes[leader] + size > self.max_request_bytes:
                surplus.add(partition)
            else:
                sizes[leader] = max(sizes[leader], 0) + size
        return frozenset(surplus)

    def _append_batch(self, builder: BatchBuilder, tp: TopicPartition) -> MessageBatch:
        if not builder.record_count() and (limit := self.max_batch_bytes.get(tp.topic)):
            transactional = self._txn_manager is not None and self._txn_manager.transactional_id is not None
            builder = BatchBuilder(limit, self._compression_type, is_transactional=transactional)
        batch = super()._append_batch(builder, tp)
        if self._txn_manager is not None:
            batch.future.add_done_callback(functools.partial(self._reuse_sequence_numbers, batch))
        return batch

    def _reuse_sequence_numbers(self, batch: MessageBatch, done: asyncio.Future[Any]) -> None:
        """Give the sequence numbers of a rejected batch to the next batch: the broker has not recorded them."""
        if not done.cancelled() and (error := done.exception()) is not None and is_unwritten(error):
            self._txn_manager.increment_sequence_number(batch.tp, -batch.record_count)

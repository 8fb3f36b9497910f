"""The coordinator of a task's deferred requests, over all partitions that this worker serves."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from carteiro.concurrency.background_tasks import BackgroundTasks
from carteiro.concurrency.backoff import Backoff
from carteiro.kafka.compacted_topic import CompactedTopic, TopicUnusable
from carteiro.ledger.ledger import Ledger
from carteiro.models.cloud.batch_api.interface import BatchModel
from carteiro.wire.deferral import original_request
from carteiro.wire.record import OutgoingRecord, Record
from carteiro.worker.batch_api.accumulator import BatchSettings
from carteiro.worker.batch_api.fenced_publisher import FencedPublisher
from carteiro.worker.batch_api.partition_batcher import PartitionBatcher
from carteiro.worker.batch_api.state import LEDGER_KEY, decode_ledger, encode_ledger
from carteiro.worker.delivery.interface import Delivery, DeliveryContext
from carteiro.worker.model_calls.deferred_request import DeferredRequest
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.worker")

_FIRST_PAUSE, _MAX_PAUSE = 1.0, 30.0


class BatchCoordinator:
    """Owner of a batcher for each partition. The batchers' state is stored in the topic of batches."""

    def __init__(
        self,
        task: str,
        topic: CompactedTopic,
        models: Mapping[str, BatchModel[Any, Any]],
        settings: BatchSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._task, self._topic, self._models, self._settings, self._sleep = task, topic, models, settings, sleep
        self._batchers: dict[int, PartitionBatcher] = {}
        self._publishers: dict[int, FencedPublisher] = {}
        self._closing = BackgroundTasks()
        self._pending_since: dict[tuple[int, int], float] = {}
        """Timestamps of the pending requests, in seconds since 1970, by partition and offset."""
        metrics.labelled(metrics.BATCH_PENDING, task).set_function(lambda: len(self._pending_since))
        metrics.labelled(metrics.BATCH_OLDEST_PENDING, task).set_function(self._oldest_pending_seconds)

    def attach_delivery(self, delivery: Delivery, lane: DeliveryContext) -> Delivery:
        """Store the state of a lane's partition by its new delivery from now on. Return the delivery."""
        self._publisher_of(lane.partition.partition).attach(delivery, lane)
        return delivery

    async def on_assigned(self, partition: int) -> Ledger:
        """Open a partition's batcher with the stored state, and return the stored ledger.

        Retry until the state can be read.
        """
        if (batcher := self._batchers.get(partition)) is None:
            publisher = self._publisher_of(partition)
            batcher = PartitionBatcher(self._task, self._models, publisher, self._settings)
            self._batchers[partition] = batcher
        await batcher.close()
        backoff, logged_reason = Backoff(_FIRST_PAUSE, _MAX_PAUSE, sleep=self._sleep), ""
        while True:
            try:
                stored, _ = await self._topic.read(partition)
                ledger = decode_ledger(stored.get(LEDGER_KEY))
                batcher.open(stored)
                return ledger
            except (TopicUnusable, KafkaError, OSError, AssertionError, ValueError) as error:
                # Without the stored state, batches would be submitted and paid again.
                reason = str(error) or type(error).__name__
                if reason != logged_reason:
                    log.error("cannot serve deferred requests yet; trying again", topic=self._topic.name, reason=reason)
                logged_reason = reason
                await backoff.pause()

    def on_lost(self, partition: int) -> None:
        """Close the batcher of a partition that was lost to another owner."""
        if (batcher := self._batchers.pop(partition, None)) is not None:
            self._closing.start(batcher.close())

    def snapshot_records(self, partition: int, ledger: Ledger) -> Sequence[OutgoingRecord]:
        """Return the record that stores the whole ledger. It is written together with the commit."""
        return [OutgoingRecord(self._topic.name, partition, LEDGER_KEY, encode_ledger(ledger), ())]

    def deferred_request(self, record: Record) -> DeferredRequest:
        """Return the position of a deferred record, whose partition is served here."""
        return DeferredRequest(record.offset, self._batchers[record.partition])

    def track(self, record: Record) -> None:
        """Count a request as pending."""
        self._pending_since[record.partition, record.offset] = original_request(record).timestamp / 1000

    def untrack(self, record: Record) -> None:
        """Stop counting a request as pending."""
        self._pending_since.pop((record.partition, record.offset), None)

    def _publisher_of(self, partition: int) -> FencedPublisher:
        if (publisher := self._publishers.get(partition)) is None:
            publisher = self._publishers[partition] = FencedPublisher(self._topic.name, partition, sleep=self._sleep)
        return publisher

    def _oldest_pending_seconds(self) -> float:
        return max(time.time() - min(self._pending_since.values()), 0.0) if self._pending_since else 0.0

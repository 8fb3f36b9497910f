"""The journals of the partitions that a worker serves, and their compacted topic.

The topic is created by the first write. If it is away, requests are served all the same, and nothing is kept.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiokafka.errors import KafkaError

from carteiro.concurrency.background_tasks import BackgroundTasks
from carteiro.kafka.bounded_producer import BoundedProducer
from carteiro.kafka.compacted_topic import CompactedTopic, TopicUnusable
from carteiro.models.errors import ModelError
from carteiro.models.interface import BackgroundModel
from carteiro.wire.dead_letter import first_offset
from carteiro.wire.record import OutgoingRecord, Record, record_size
from carteiro.worker.journal.partition_journal import JournalWriter, PartitionJournal
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.worker")

_LOAD_SECONDS = 10.0
"""Longest time to read a partition's journal; after it the partition is served without it."""
_WRITE_SECONDS = 10.0
_PAUSE_SECONDS = 60.0
"""Time without writes after a failed one."""
_MAX_BYTES = 64 * 2**20
"""Maximum bytes of entries in memory, shared by the partitions."""
_MAX_PENDING_BYTES = 16 * 2**20
"""Maximum bytes that wait for the broker. Calls that finish meanwhile are not kept."""
_FAILURES = (KafkaError, TopicUnusable, OSError, AssertionError)
"""Errors of a topic. AssertionError: the producer's metadata has no such partition."""


class JournalStore(JournalWriter):
    """Journals of the partitions of one topic of requests.

    `find_partitions` returns the number of partitions of the journal's topic, 0 if it does not exist, None if that is
    unknown. A call with fewer than `min_tokens` tokens is not kept. `background_models` are by their names.
    """

    def __init__(
        self,
        task: str,
        topic: CompactedTopic,
        producer: Callable[[], BoundedProducer],
        find_partitions: Callable[[], Awaitable[int | None]],
        min_tokens: int,
        background_models: Mapping[str, BackgroundModel] | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._task, self._topic, self._producer, self._find_partitions = task, topic, producer, find_partitions
        self._min_tokens, self._now = min_tokens, now
        self._background_models = background_models or {}
        self._partitions: dict[int, PartitionJournal] = {}
        self._writes, self._pending_bytes = BackgroundTasks(), 0
        self._topic_checked, self._resumes_at = False, 0.0
        self._away = metrics.labelled(metrics.JOURNAL_AWAY, topic.name)
        self._is_away = False

    async def load(self, partition: int) -> None:
        """Read the journal of a partition before it is served. Raise nothing except cancellation."""
        journal = self._partitions.setdefault(partition, self._empty(partition))
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                found = await self._find_partitions()
                is_there = found is None or partition < found
                limit = self.max_partition_bytes
                values, left_out = await self._topic.read_existing(partition, limit) if is_there else ({}, 0)
        except _FAILURES as error:
            values, left_out = {}, 0
            self.on_failed(error)
        fields = {"topic": self._topic.name, "partition": partition}
        if calls := journal.load(values):
            log.info("read finished calls of unanswered requests", **fields, calls=calls)
        if left_out:
            self.on_forgotten(left_out)
            log.warning(
                "the journal is larger than the memory for it: early calls are repeated", **fields, calls=left_out
            )

    def unload(self, partition: int) -> None:
        """Forget a partition that was lost to another owner."""
        self._partitions.pop(partition, None)

    def open(self, record: Record) -> RequestJournal:
        """Return the journal of the request in a record."""
        partition = self._partitions.get(record.partition) or self._empty(record.partition)
        return RequestJournal(partition, first_offset(record), record.offset, self._min_tokens)

    async def close(self) -> None:
        """Wait for the writes that are under way."""
        await self._writes.wait()

    @property
    def max_partition_bytes(self) -> int:
        return _MAX_BYTES // max(len(self._partitions), 1)

    @property
    def is_available(self) -> bool:
        return self._now() >= self._resumes_at

    def publish(self, record: OutgoingRecord) -> asyncio.Future[None] | None:
        size = record_size(record)
        if not self.is_available or self._pending_bytes + size > _MAX_PENDING_BYTES:
            self._count("lost")
            return None
        self._pending_bytes += size
        return self._writes.start(self._write(record, size))

    def on_failed(self, error: Exception) -> None:
        self._topic_checked, self._resumes_at = False, self._now() + _PAUSE_SECONDS
        self._producer().set_missing(self._topic.name, missing=True)
        if not self._is_away:
            reason = str(error) if isinstance(error, TopicUnusable) else repr(error)
            log.error("finished calls are not kept: a crash repeats them", topic=self._topic.name, reason=reason)
        self._set_away(away=True)

    def on_reused(self) -> None:
        self._count("reused")

    def on_forgotten(self, calls: int) -> None:
        self._count("forgotten", calls)

    def cancel_answer(self, model: str, response_id: str) -> None:
        if (found := self._background_models.get(model)) is not None:
            log.info("cancelling an answer in the background: nobody waits for it", model=model, id=response_id)
            self._writes.start(_cancel(found, response_id))

    async def _write(self, record: OutgoingRecord, size: int) -> None:
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                if not self._topic_checked:
                    await self._topic.ensure()
                    self._producer().set_missing(self._topic.name, missing=False)
                    self._topic_checked = True
                await (await self._producer().dispatch(record))
        except _FAILURES as error:
            self._count("lost")
            self.on_failed(error)
        else:
            self._count("kept")
            self._set_away(away=False)
        finally:
            self._pending_bytes -= size

    def _set_away(self, *, away: bool) -> None:
        if away is not self._is_away:
            self._is_away = away
            self._away.set(int(away))
            if not away:
                log.info("finished calls are kept again", topic=self._topic.name)

    def _count(self, outcome: str, calls: int = 1) -> None:
        metrics.labelled(metrics.JOURNAL_CALLS, self._task, outcome).inc(calls)

    def _empty(self, partition: int) -> PartitionJournal:
        return PartitionJournal(self, self._topic.name, partition)


async def _cancel(model: BackgroundModel, response_id: str) -> None:
    with contextlib.suppress(ModelError):
        await model.cancel_answer(response_id)

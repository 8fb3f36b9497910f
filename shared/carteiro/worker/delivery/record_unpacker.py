"""Unpacks the batches of a partition in a thread, one after the other, and only while its lane has room for records."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

import structlog
from aiokafka import TopicPartition

from carteiro.wire.record import MAX_REQUEST_BYTES, record_size
from carteiro.wire.record_batches.raw_batches import RawBatch
from carteiro.wire.record_batches.record_fields import UnpackBudget
from carteiro.wire.record_batches.record_parser import ParsedRecord, SkippedOffsets, parse_records
from carteiro.worker.observability import metrics

T = TypeVar("T")

log = structlog.get_logger("carteiro.delivery")

_SLICE_SECONDS = 0.03
"""Seconds that a thread works for one partition before it works for the next one."""
_SLICE_RECORDS = 256
_SLICE_BYTES = 1024 * 1024

_EXECUTOR = ThreadPoolExecutor(2, thread_name_prefix="unpack")
"""Two threads, so that a partition with slow batches does not delay the other partitions."""


class _BatchQueue:
    """The queued batches and the batch that is being unpacked. Only one thread at a time uses the queue."""

    def __init__(self, partition: TopicPartition, max_value_bytes: int) -> None:
        self._partition, self._max_value_bytes = partition, max_value_bytes
        self._waiting: deque[RawBatch] = deque()
        self._current: tuple[Iterator[ParsedRecord | None], UnpackBudget] | None = None
        self.queued_records = 0
        """Queued records, by the counts in the headers of their batches."""

    @property
    def is_idle(self) -> bool:
        """True if there is nothing to unpack."""
        return self._current is None and not self._waiting

    @property
    def next_batch(self) -> RawBatch | None:
        """The batch to unpack next; None while a batch is being unpacked."""
        return self._waiting[0] if self._waiting and self._current is None else None

    def add(self, batches: Sequence[RawBatch]) -> None:
        """Append batches that were read."""
        self._waiting.extend(batches)
        self.queued_records += sum(batch.record_count for batch in batches)

    def drop_next(self) -> None:
        """Remove the next batch without unpacking it."""
        self.queued_records -= self._waiting.popleft().record_count

    def step(self, *, one_batch: bool = False) -> tuple[list[ParsedRecord], int]:
        """Return some of the next records, and the number of records in the batches that were started for them.

        With `one_batch`, start at most one batch.
        """
        unpacked: list[ParsedRecord] = []
        size = started = batches = 0
        deadline = time.monotonic() + _SLICE_SECONDS

        while len(unpacked) < _SLICE_RECORDS and size < _SLICE_BYTES and time.monotonic() < deadline:
            if self._current is None:
                if not self._waiting or (one_batch and batches):
                    break
                batch = self._waiting.popleft()
                batches, started = batches + 1, started + batch.record_count
                budget = UnpackBudget(max_value_bytes=self._max_value_bytes)
                self._current = parse_records(batch, self._partition, budget), budget
            records, budget = self._current
            budget.resume()
            for record in records:
                if record is not None:
                    unpacked.append(record)
                    size += record_size(record)
                    if len(unpacked) >= _SLICE_RECORDS or size >= _SLICE_BYTES:
                        break
                elif time.monotonic() > deadline:
                    break
            else:
                self._current = None
            budget.pause()
        return unpacked, started


class RecordReceiver(Protocol):
    """A partition's lane, as its unpacker sees it."""

    def on_records(self, records: Sequence[ParsedRecord]) -> None:
        """Receive records of the partition in their order. A `SkippedOffsets` stands for records that are skipped."""

    @property
    def has_buffer_room(self) -> bool:
        """True if the lane accepts more records."""

    @property
    def must_isolate_batches(self) -> bool:
        """True if each batch must be unpacked isolated first, since a batch may have crashed the last owners."""

    async def unpack_isolated(self, batch: RawBatch, unpack: Callable[[], Awaitable[None]]) -> str | None:
        """Await `unpack` after a commit has recorded that it may crash the process.

        Return None if the batch was unpacked. Return the reason if the batch must be skipped, "" if all its records are
        finished.
        """


class RecordUnpacker:
    """Turns the batches of a partition into records, and passes them to `receiver`.

    A record above `max_value_bytes` is read without its value.
    """

    def __init__(
        self, partition: TopicPartition, receiver: RecordReceiver, max_value_bytes: int = MAX_REQUEST_BYTES
    ) -> None:
        self._partition, self._receiver, self._max_value_bytes = partition, receiver, max_value_bytes
        self._queue = self._new_queue()
        self._task: asyncio.Task[None] | None = None

    @property
    def queued_records(self) -> int:
        """Records that wait to be unpacked, by the counts in the headers of their batches."""
        return self._queue.queued_records

    def add(self, batches: Sequence[RawBatch]) -> None:
        """Add batches that were read, in the partition's order."""
        self._queue.add(batches)
        self.continue_unpacking()

    def continue_unpacking(self) -> None:
        """Start to unpack if there are batches and the receiver has room."""
        if self._task is None and not self._queue.is_idle and self._receiver.has_buffer_room:
            self._task = asyncio.create_task(self._run(self._queue))

    def clear(self) -> None:
        """Drop the batches and records that the receiver does not have yet: they will be read again."""
        self._queue = self._new_queue()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _new_queue(self) -> _BatchQueue:
        return _BatchQueue(self._partition, self._max_value_bytes)

    async def _run(self, queue: _BatchQueue) -> None:
        try:
            while not queue.is_idle and self._receiver.has_buffer_room:
                records = await self._unpack_next(queue)
                if queue is not self._queue:
                    return
                for record in records:
                    if isinstance(record, SkippedOffsets):
                        self._log_skipped(record)
                if records:
                    self._receiver.on_records(records)
        finally:
            if queue is self._queue:
                self._task = None

    async def _unpack_next(self, queue: _BatchQueue) -> Sequence[ParsedRecord]:
        isolated = self._receiver.must_isolate_batches
        if isolated and (batch := queue.next_batch) is not None:
            reason = await self._receiver.unpack_isolated(batch, partial(self._unpack_trial, batch))
            if reason is not None:
                queue.drop_next()
                if not reason:
                    return []
                first = max(batch.base_offset, batch.start_offset)
                return [
                    SkippedOffsets(self._partition.topic, self._partition.partition, first, batch.last_offset, reason)
                ]
        records, started = await _in_thread(partial(queue.step, one_batch=isolated))
        queue.queued_records -= started
        return records

    async def _unpack_trial(self, batch: RawBatch) -> None:
        unpacker = self._new_queue()
        unpacker.add([batch])
        while not unpacker.is_idle:
            await _in_thread(unpacker.step)

    def _log_skipped(self, skipped: SkippedOffsets) -> None:
        metrics.UNREADABLE_BATCHES.labels(self._partition.topic).inc()
        log.error(
            "passing over records that cannot be read",
            topic=self._partition.topic,
            partition=self._partition.partition,
            offsets=f"{skipped.first_offset}-{skipped.offset}",
            reason=skipped.reason,
        )


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_EXECUTOR, work)

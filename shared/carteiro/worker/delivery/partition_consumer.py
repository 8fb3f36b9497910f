"""Reads a partition into its scheduler from the offset that its lane gives, and pauses it while there is no room."""

from collections.abc import Awaitable, Callable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError

from carteiro.wire.record import MAX_REQUEST_BYTES
from carteiro.wire.record_batches.raw_batches import RawBatch
from carteiro.wire.record_batches.record_parser import ParsedRecord
from carteiro.worker.delivery.commit_validation import LogBounds
from carteiro.worker.delivery.interface import WorkStarter
from carteiro.worker.delivery.isolation import CrashIsolation
from carteiro.worker.delivery.progress import Progress
from carteiro.worker.delivery.record_unpacker import RecordReceiver, RecordUnpacker
from carteiro.worker.delivery.scheduler import KeyedScheduler

_MAX_BUFFERED_BYTES = 32 * 1024 * 1024
"""Maximum bytes of buffered records: some thousand small records, or a few records of the maximum size."""


class PartitionConsumer(RecordReceiver):
    """The consumer of one lane. `starter` is called after records were added to the scheduler.

    A record above `max_value_bytes` is read without its value.
    """

    def __init__(
        self,
        partition: TopicPartition,
        consumer: AIOKafkaConsumer,
        scheduler: KeyedScheduler,
        isolation: CrashIsolation,
        progress: Progress,
        starter: WorkStarter,
        max_value_bytes: int = MAX_REQUEST_BYTES,
    ) -> None:
        self._partition, self._consumer, self._scheduler = partition, consumer, scheduler
        self._isolation, self._progress, self._starter = isolation, progress, starter
        self._unpacker = RecordUnpacker(partition, self, max_value_bytes)
        self.is_reading = False
        """True if the partition's records are read from the offset that the ledger needs."""
        self._position = 0
        """The offset after the last batch that was accepted."""
        self._out_of_range = False
        """True if the log does not have the record at the next offset."""
        self._paused = True

    @property
    def has_buffer_room(self) -> bool:
        return (
            self._scheduler.buffered <= self._scheduler.max_running
            and self._scheduler.buffered_bytes < _MAX_BUFFERED_BYTES
        )

    @property
    def must_isolate_batches(self) -> bool:
        return self._isolation.must_isolate_batches

    async def unpack_isolated(self, batch: RawBatch, unpack: Callable[[], Awaitable[None]]) -> str | None:
        return await self._isolation.unpack_isolated(batch, unpack)

    def on_records(self, records: Sequence[ParsedRecord]) -> None:
        self._scheduler.add(records)
        self._progress.advance()
        self._starter.start_ready()

    def on_assigned(self) -> None:
        """Pause the partition until the lane is open."""
        self._consumer.pause(self._partition)
        # The lane gives the offset once it is open. Without a position, the consumer would look one up by itself.
        self._consumer.seek(self._partition, self._position)
        self._paused = True

    def start(self, offset: int, log: LogBounds) -> None:
        """Read from `offset`, or from the start of the log if that is later."""
        self._position = max(offset, log.start)
        if self._out_of_range and log.end is None:
            # The log's end is unknown, so all its records are read: some may be served twice, but no record is skipped.
            self._position = log.start
        self._out_of_range = False
        self._consumer.seek(self._partition, self._position)
        self.is_reading = True
        self._progress.advance()

    def on_record_batches(self, batches: Sequence[RawBatch]) -> None:
        """Accept batches that were read."""
        if not self.is_reading:
            return  # read before the lane was open, which reads again from the first unfinished offset
        self._unpacker.add(batches)
        self._position = batches[-1].last_offset + 1
        self._progress.advance()
        self._pause_or_resume()

    def continue_reading(self) -> None:
        """Continue to unpack and read if there is room."""
        self._unpacker.continue_unpacking()
        self._pause_or_resume()

    def reset_position(self) -> None:
        """Continue to read after the last batch that was accepted."""
        if self.is_reading and self._partition in self._consumer.assignment():
            self._consumer.seek(self._partition, self._position)

    def on_offset_out_of_range(self) -> bool:
        """Stop, since the log has no record at the next offset and does not end there either.

        Return False if the partition was not being read.
        """
        if not self.is_reading:
            return False
        self._out_of_range = True
        self.stop()
        self._pause_or_resume()
        return True

    def stop(self) -> None:
        """Stop reading, and drop the records that have not started: they will be read again."""
        self.is_reading = False
        self._scheduler.clear()
        self._unpacker.clear()

    def _pause_or_resume(self) -> None:
        buffered = self._scheduler.buffered + self._unpacker.queued_records
        paused = not self.is_reading or buffered > self._scheduler.max_running or not self.has_buffer_room
        if paused == self._paused:
            return
        try:
            (self._consumer.pause if paused else self._consumer.resume)(self._partition)
        except IllegalStateError:
            return  # the partition was revoked a moment ago, and the listener is about to tell the lane
        self._paused = paused

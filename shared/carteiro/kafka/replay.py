"""The read of partitions from given offsets to the ends that they have when it begins."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from carteiro.wire.record import Record
from carteiro.wire.record_batches.tolerant_reader import poll_records

_POLL_MS = 200


class ReplayStalled(TimeoutError):
    """The broker has records up to the ends of some `partitions`, and does not return them."""

    def __init__(self, partitions: set[TopicPartition]) -> None:
        names = ", ".join(sorted(f"{each.topic}/{each.partition}" for each in partitions))
        super().__init__(f"the broker returns no records of {names}")
        self.names = names
        """The partitions as `topic/partition`, separated by commas."""


class ReplayProgress:
    """Progress of a consumer towards the `ends` of partitions.

    `stall_seconds` is the longest time without a new position. `now` is the clock, in seconds.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        ends: Mapping[TopicPartition, int],
        stall_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer, self._ends, self._stall_seconds, self._now = consumer, ends, stall_seconds, now
        self._remaining, self._positions = set(ends), dict[TopicPartition, int]()
        self._moved_at = now()

    async def remaining(self) -> set[TopicPartition]:
        """Return the partitions that are not read to their ends yet. Raise `ReplayStalled`."""
        # The position counts, not the last record: markers and aborted transactions give no record.
        positions = {each: await self._consumer.position(each) for each in self._remaining}
        if positions.items() - self._positions.items():
            self._moved_at = self._now()
        self._positions = positions
        # The embedded broker's end offset is that of the last batch's first record. So it is a bound that must be
        # reached, not a limit; a batch is read as a whole.
        self._remaining = {each for each, position in positions.items() if position < self._ends[each]}
        if self._remaining and self._now() - self._moved_at > self._stall_seconds:
            raise ReplayStalled(self._remaining)
        return self._remaining


async def replay(
    consumer: AIOKafkaConsumer,
    starts: Mapping[TopicPartition, int],
    *,
    stall_seconds: float,
    ends: Mapping[TopicPartition, int] | None = None,
    now: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[Record]:
    """Yield the records of the partitions in `starts` from these offsets to `ends`, in order within each.

    The consumer has `RAW_BATCH_OPTIONS`, and the partitions are assigned to it. Its other partitions are paused, and
    each of these once it is read. `ends` are the present ones by default; a few records after them may follow.
    `stall_seconds` is the longest time without progress. Raise `ReplayStalled` or `KafkaError`.
    """
    ends = await consumer.end_offsets(list(starts)) if ends is None else ends
    progress = ReplayProgress(consumer, ends, stall_seconds, now)
    for partition, offset in starts.items():
        consumer.seek(partition, offset)
    while remaining := await progress.remaining():
        consumer.pause(*(consumer.assignment() - remaining))
        consumer.resume(*remaining)
        for partition, records in (await poll_records(consumer, _POLL_MS)).items():
            for record in records if partition in remaining else ():
                yield record

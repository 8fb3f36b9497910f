"""Reader of a dead-letter topic."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from carteiro.cli.dead import redrive_offsets
from carteiro.cli.kafka import KafkaFailed, KafkaSession
from carteiro.kafka.replay import ReplayStalled, replay
from carteiro.ledger.ledger import Ledger
from carteiro.wire.dead_letter import DeadLetter, read_dead_letter
from carteiro.wire.record_batches.tolerant_reader import RAW_BATCH_OPTIONS

_STALL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class DeadLetterTopic:
    """A task's dead letters, open for reading."""

    task: str
    name: str
    consumer: AIOKafkaConsumer
    partitions: list[TopicPartition]
    ledgers: dict[int, Ledger]
    """Recorded ledgers by partition, from the time the topic was opened: finished dead letters were redriven."""

    def was_redriven(self, dead_letter: DeadLetter) -> bool:
        """True if the dead letter's request has been sent again."""
        return self.ledgers[dead_letter.partition].is_finished(dead_letter.offset)

    async def read(self, start: Mapping[int, int] | None = None) -> AsyncGenerator[DeadLetter]:
        """Yield the dead letters that exist now, in order within each partition.

        `start` names the partitions to read, and the offset to start from; by default all partitions, from the
        beginning. Raise `KafkaFailed` if the broker has them and does not return them.
        """
        first = await self.consumer.beginning_offsets(self.partitions)
        if start is not None:
            first = {each: max(first[each], start[each.partition]) for each in first if each.partition in start}
        try:
            async for record in replay(self.consumer, first, stall_seconds=_STALL_SECONDS):
                yield read_dead_letter(record)
        except ReplayStalled as stalled:
            raise KafkaFailed(f"the broker does not return the dead letters of {stalled.names}") from None


@asynccontextmanager
async def open_dead_letter_topic(kafka: KafkaSession, task: str) -> AsyncIterator[DeadLetterTopic | None]:
    """Open a task's dead-letter topic; None if it does not exist."""
    name = kafka.topics.dead(task)
    if name not in kafka.existing:
        yield None
        return
    partitions = [TopicPartition(name, each) for each in await kafka.partitions(name)]
    consumer = AIOKafkaConsumer(
        **kafka.options,
        **RAW_BATCH_OPTIONS,
        group_id=redrive_offsets.group_id(task),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        # A dead letter of an aborted transaction was never sent.
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        consumer.assign(partitions)
        yield DeadLetterTopic(
            task, name, consumer, partitions, await redrive_offsets.load(kafka.admin, task, partitions)
        )
    finally:
        await consumer.stop()

"""Reading a topic of dead letters."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from carteiro.cli.dead import remembered
from carteiro.cli.kafka import Kafka, KafkaFailed
from carteiro.wire.dead_letter import DeadLetter, read_dead_letter
from carteiro.worker.delivery.ledger import Ledger

_SILENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class DeadTopic:
    """A task's dead letters, open to be read."""

    task: str
    name: str
    consumer: AIOKafkaConsumer
    partitions: list[TopicPartition]
    ledgers: dict[int, Ledger]
    """By partition, what was remembered when the topic was opened: the finished letters are the redriven ones."""

    def redriven(self, letter: DeadLetter) -> bool:
        """Whether the letter's request has been sent once more."""
        return self.ledgers[letter.partition].finished(letter.offset)

    async def letters(self, start: Mapping[int, int] | None = None) -> AsyncGenerator[DeadLetter]:
        """The letters that are there now; each partition's in order. `start` names the partitions to read, and from
        which offset; by default it is all of them, from the beginning.

        Raises `KafkaFailed` where the broker has them and does not hand them over.
        """
        first = await self.consumer.beginning_offsets(self.partitions)
        if start is not None:
            first = {each: max(first[each], start[each.partition]) for each in first if each.partition in start}
        # The embedded broker's end is that of the last batch's first record, so it is a bound to be reached, not a
        # limit; a batch is read as a whole.
        ends = await self.consumer.end_offsets(self.partitions)
        left = {each for each, offset in first.items() if offset < ends[each]}
        for each in left:
            self.consumer.seek(each, first[each])
        self.consumer.pause(*self.partitions)
        self.consumer.resume(*left)
        loop = asyncio.get_running_loop()
        heard = loop.time()
        reached: dict[TopicPartition, int] = {}
        while left:
            for each, records in (await self.consumer.getmany(timeout_ms=200)).items():
                for record in records if each in left else ():
                    yield read_dead_letter(record)
            # The position tells, not the last record: markers and records of aborted transactions are passed over.
            before, reached = reached, {each: await self.consumer.position(each) for each in left}
            done = {each for each, offset in reached.items() if offset >= ends[each]}
            self.consumer.pause(*done)
            left -= done
            if reached != before:
                heard = loop.time()
            elif loop.time() - heard > _SILENCE_SECONDS:
                raise KafkaFailed(f"the broker does not hand over the letters of {', '.join(map(_place, left))}")


@asynccontextmanager
async def opened(kafka: Kafka, task: str) -> AsyncIterator[DeadTopic | None]:
    """A task's topic of dead letters, None where there is none."""
    name = kafka.topics.dead(task)
    if name not in kafka.existing:
        yield None
        return
    partitions = [TopicPartition(name, each) for each in await kafka.partitions(name)]
    consumer = AIOKafkaConsumer(
        **kafka.options,
        group_id=remembered.group(task),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        # A letter of a transaction that was aborted was never sent.
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        consumer.assign(partitions)
        yield DeadTopic(task, name, consumer, partitions, await remembered.recall(kafka.admin, task, partitions))
    finally:
        await consumer.stop()


def _place(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"

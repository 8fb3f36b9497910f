"""Sending the requests of dead letters once more.

A letter counts as redriven when the broker has confirmed its request. That is committed after every so many, and at the
end however it comes: a crash in between redrives the last ones twice, never one not at all.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from carteiro.cli.dead import remembered
from carteiro.cli.dead.plan import Batch
from carteiro.cli.dead.topic import DeadTopic, opened
from carteiro.cli.kafka import Kafka, KafkaFailed
from carteiro.wire.dead_letter import DeadLetter, redriven
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.outcome import TOO_LARGE
from carteiro.worker.delivery.producers import send

_AT_ONCE = 100
_MOST_BYTES = 16 * 2**20
_CONFIRM_SECONDS = 60.0
_ANY_SIZE = 2**30
"""Whether a request is too large is for the broker to say."""


@dataclass(slots=True)
class Redriven:
    """What a redrive has done so far."""

    sent: int = 0
    already: int = 0
    """Letters that somebody else has redriven since the plan was made."""
    refused: dict[str, str] = field(default_factory=dict)
    """Letters whose requests the topic does not take, and why."""
    forgotten: int = 0
    """Letters that were redriven and are not remembered."""


async def redrive(kafka: Kafka, batches: list[Batch], done: Redriven, advance: Callable[[], None]) -> None:
    """Send the batches, and note in `done` what was. `advance` is called for each letter that is dealt with.

    Raises `KafkaFailed` where it has to stop; `done` then says how far it came, as it does when cancelled.
    """
    producer = AIOKafkaProducer(**kafka.options, acks="all", max_request_size=_ANY_SIZE)
    try:
        await producer.start()
        for batch in batches:
            async with opened(kafka, batch.task) as topic:
                if topic is None:
                    raise KafkaFailed(f"the topic {kafka.topics.dead(batch.task)} is gone")
                await _Sending(kafka, topic, batch, producer, done, advance).run()
    finally:
        await producer.stop()


class _Sending:
    """The sending of one batch."""

    def __init__(
        self,
        kafka: Kafka,
        topic: DeadTopic,
        batch: Batch,
        producer: AIOKafkaProducer,
        done: Redriven,
        advance: Callable[[], None],
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._batch = batch
        self._producer = producer
        self._done = done
        self._advance = advance
        self._unconfirmed: dict[asyncio.Future[object], DeadLetter] = {}
        self._unconfirmed_bytes = 0
        self._finished: dict[int, set[int]] = {}
        self._uncommitted = False

    async def run(self) -> None:
        offsets = self._batch.offsets
        partitions = await self._producer.partitions_for(self._batch.requests)
        try:
            async with aclosing(self._topic.letters({each: min(offsets[each]) for each in offsets})) as letters:
                async for letter in letters:
                    if letter.offset not in offsets[letter.partition]:
                        continue
                    if self._topic.redriven(letter):
                        self._done.already += 1
                        self._advance()
                        continue
                    record = redriven(letter, self._batch.requests)
                    if record.partition not in partitions:
                        record = replace(record, partition=None)
                    await self._send(letter, record)
                    if len(self._unconfirmed) >= _AT_ONCE or self._unconfirmed_bytes >= _MOST_BYTES:
                        await self._settle()
        finally:
            await self._settle()
        await self._count_forgotten()

    async def _send(self, letter: DeadLetter, record: OutgoingRecord) -> None:
        try:
            sending = await send(self._producer, record)
        except TOO_LARGE as error:
            self._refuse(letter, error)
        except KafkaError as error:
            raise KafkaFailed(f"cannot send to {record.topic}: {error!r}") from error
        else:
            self._unconfirmed[sending] = letter
            self._unconfirmed_bytes += len(letter.value or b"")

    async def _settle(self) -> None:
        """Wait until what was sent is confirmed, and commit that it is."""
        problem = None
        if self._unconfirmed:
            # `wait` and not `gather`: when Ctrl-C cancels it, what is on its way is still ours to count.
            confirmed, late = await asyncio.wait(self._unconfirmed, timeout=_CONFIRM_SECONDS)
            if late:
                problem = KafkaFailed(f"{self._batch.requests} does not confirm {len(late)} requests")
            for each in confirmed:
                letter, error = self._unconfirmed.pop(each), each.exception()
                if error is None:
                    self._batch.ledgers[letter.partition].finish(letter.offset)
                    self._finished.setdefault(letter.partition, set()).add(letter.offset)
                    self._uncommitted = True
                    self._done.sent += 1
                    self._advance()
                elif isinstance(error, TOO_LARGE):
                    self._refuse(letter, error)
                else:
                    problem = KafkaFailed(f"cannot send to {self._batch.requests}: {error!r}")
            self._unconfirmed_bytes = 0
        if self._uncommitted:
            ledgers = {each: self._batch.ledgers[each] for each in self._finished}
            await remembered.remember(
                self._topic.consumer, self._kafka.admin, self._batch.task, self._topic.name, ledgers
            )
            self._uncommitted = False
        if problem:
            self._unconfirmed.clear()
            raise problem

    async def _count_forgotten(self) -> None:
        partitions = [TopicPartition(self._topic.name, each) for each in self._finished]
        if partitions:
            kept = await remembered.recall(self._kafka.admin, self._batch.task, partitions)
            self._done.forgotten += sum(
                remembered.forgotten(kept[each], offsets) for each, offsets in self._finished.items()
            )

    def _refuse(self, letter: DeadLetter, error: BaseException) -> None:
        self._done.refused[letter.id] = str(error) or type(error).__name__
        self._advance()

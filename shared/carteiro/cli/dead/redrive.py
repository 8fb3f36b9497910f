"""Redrive of dead letters: their requests are sent again.

A dead letter counts as redriven when the broker has confirmed its request. That is committed after a fixed number of
requests, and at any end of the run. After a crash the last requests are redriven twice, but none is lost.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from carteiro.cli.dead import redrive_offsets
from carteiro.cli.dead.plan import TaskRedrive
from carteiro.cli.dead.topic import DeadLetterTopic, open_dead_letter_topic
from carteiro.cli.kafka import KafkaFailed, KafkaSession
from carteiro.cli.plural import pluralise
from carteiro.kafka.bounded_producer import BoundedProducer
from carteiro.kafka.producers import acknowledged_producer
from carteiro.kafka.record_errors import TOO_LARGE
from carteiro.wire.dead_letter import DeadLetter, redrive_record
from carteiro.wire.record import OutgoingRecord

_MAX_UNCONFIRMED = 100
_MAX_UNCONFIRMED_BYTES = 16 * 2**20
_CONFIRM_SECONDS = 60.0
_UNLIMITED_BYTES = 2**30
"""No limit: the broker decides if a request is too large."""


@dataclass(slots=True)
class RedriveResult:
    """Progress of a redrive."""

    sent: int = 0
    already_redriven: int = 0
    """Number of dead letters that another redrive has sent since the plan was made."""
    refused: dict[str, str] = field(default_factory=dict)
    """Dead letters whose requests the topic rejects, and the reasons."""
    unrecorded: int = 0
    """Number of dead letters that were redriven, although that could not be recorded."""


async def redrive(
    kafka: KafkaSession, task_redrives: list[TaskRedrive], result: RedriveResult, advance: Callable[[], None]
) -> None:
    """Send the requests of the plan, and update `result`. `advance` is called for each dead letter that is processed.

    Raise `KafkaFailed` if it has to stop. `result` then holds the progress, as it does after a cancellation.
    """
    producer = acknowledged_producer(kafka.options, max_produce_bytes=_UNLIMITED_BYTES, compression=kafka.compression)
    try:
        await producer.start()
        for batch in task_redrives:
            async with open_dead_letter_topic(kafka, batch.task) as topic:
                if topic is None:
                    raise KafkaFailed(f"the topic {kafka.topics.dead(batch.task)} is gone")
                await _TaskRedriver(kafka, topic, batch, producer, result, advance).run()
    finally:
        await producer.stop()


class _TaskRedriver:
    """Sender of the dead letters of one task."""

    def __init__(
        self,
        kafka: KafkaSession,
        topic: DeadLetterTopic,
        task_redrive: TaskRedrive,
        producer: BoundedProducer,
        result: RedriveResult,
        advance: Callable[[], None],
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._task_redrive = task_redrive
        self._producer = producer
        self._result = result
        self._advance = advance
        self._unconfirmed: dict[asyncio.Future[object], DeadLetter] = {}
        self._unconfirmed_bytes = 0
        self._finished: dict[int, set[int]] = {}
        self._uncommitted = False

    async def run(self) -> None:
        offsets = self._task_redrive.offsets
        partitions = await self._producer.partitions_for(self._task_redrive.requests_topic)
        try:
            async with aclosing(self._topic.read({each: min(offsets[each]) for each in offsets})) as dead_letters:
                async for dead_letter in dead_letters:
                    if dead_letter.offset not in offsets[dead_letter.partition]:
                        continue
                    if self._topic.was_redriven(dead_letter):
                        self._result.already_redriven += 1
                        self._advance()
                        continue
                    record = redrive_record(dead_letter, self._task_redrive.requests_topic)
                    if record.partition not in partitions:
                        record = replace(record, partition=None)
                    await self._send(dead_letter, record)
                    if len(self._unconfirmed) >= _MAX_UNCONFIRMED or self._unconfirmed_bytes >= _MAX_UNCONFIRMED_BYTES:
                        await self._confirm_and_commit()
        finally:
            await self._confirm_and_commit()
        await self._count_unrecorded()

    async def _send(self, dead_letter: DeadLetter, record: OutgoingRecord) -> None:
        try:
            sending = await self._producer.dispatch(record)
        except TOO_LARGE as error:
            self._reject(dead_letter, error)
        except KafkaError as error:
            raise KafkaFailed(f"cannot send to {record.topic}: {error!r}") from error
        else:
            self._unconfirmed[sending] = dead_letter
            self._unconfirmed_bytes += len(dead_letter.value or b"")

    async def _confirm_and_commit(self) -> None:
        """Wait until the sent requests are confirmed, and commit that."""
        problem = None
        if self._unconfirmed:
            # `wait` and not `gather`: after Ctrl-C, the requests in flight must still be counted.
            confirmed, late = await asyncio.wait(self._unconfirmed, timeout=_CONFIRM_SECONDS)
            if late:
                problem = KafkaFailed(
                    f"{self._task_redrive.requests_topic} does not confirm {pluralise(len(late), 'request')}"
                )
            for each in confirmed:
                dead_letter, error = self._unconfirmed.pop(each), each.exception()
                if error is None:
                    self._task_redrive.ledgers[dead_letter.partition].finish(dead_letter.offset)
                    self._finished.setdefault(dead_letter.partition, set()).add(dead_letter.offset)
                    self._uncommitted = True
                    self._result.sent += 1
                    self._advance()
                elif isinstance(error, TOO_LARGE):
                    self._reject(dead_letter, error)
                else:
                    problem = KafkaFailed(f"cannot send to {self._task_redrive.requests_topic}: {error!r}")
            self._unconfirmed_bytes = 0
        if self._uncommitted:
            ledgers = {each: self._task_redrive.ledgers[each] for each in self._finished}
            await redrive_offsets.commit(
                self._topic.consumer, self._kafka.admin, self._task_redrive.task, self._topic.name, ledgers
            )
            self._uncommitted = False
        if problem:
            self._unconfirmed.clear()
            raise problem

    async def _count_unrecorded(self) -> None:
        partitions = [TopicPartition(self._topic.name, each) for each in self._finished]
        if partitions:
            kept = await redrive_offsets.load(self._kafka.admin, self._task_redrive.task, partitions)
            self._result.unrecorded += sum(
                redrive_offsets.count_unrecorded(kept[each], offsets) for each, offsets in self._finished.items()
            )

    def _reject(self, dead_letter: DeadLetter, error: BaseException) -> None:
        self._result.refused[dead_letter.id] = str(error) or type(error).__name__
        self._advance()

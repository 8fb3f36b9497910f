"""Reading the replies to a job, those that came while nobody read included."""

import asyncio
import json
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from carteiro.cli.kafka import KafkaFailed
from carteiro.cli.many.job import Job
from carteiro.cli.many.lines import local_error
from carteiro.cli.many.progress import tell
from carteiro.schemas import ErrorDetail
from carteiro.wire.record import last_header

_READ_MS = 200
_TRY_AGAIN_SECONDS = 1.0
_SILENCE_SECONDS = 60.0


class Reading:
    """The replies on their topic, from where the job began."""

    def __init__(self, job: Job, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        self._job = job
        self._consumer = consumer
        self._partitions = partitions
        self._complained = False

    async def begin(self) -> None:
        """Take up the place in the topic: its end where the job is new, else where it was when the job was.

        Then the replies that are there are read, so that nothing is sent again whose reply is there already.
        """
        self._consumer.assign(self._partitions)
        ends = await self._consumer.end_offsets(self._partitions)
        beginning = self._job.beginning or self._job.begin({each.partition: ends[each] for each in ends})
        first = await self._consumer.beginning_offsets(self._partitions)
        # A partition that was added to the topic since is ours from its first record on.
        starts = {each: beginning.offsets.get(each.partition, first[each]) for each in self._partitions}
        for each, start in starts.items():
            self._consumer.seek(each, max(start, first[each]))
        if self._job.states.open and any(first[each] > start for each, start in starts.items()):
            tell(
                "warning: some of what came since the beginning is no longer in the topic (its retention.ms, "
                "retention.bytes): replies may be missing"
            )
        await self._catch_up(ends)

    async def read(self) -> None:
        """Write what there is to read, or comes within the blink of an eye. Raises `KafkaFailed` and `JobFailed`."""
        try:
            batches = await self._consumer.getmany(timeout_ms=_READ_MS)
        except KafkaError as error:
            if not error.retriable:
                raise KafkaFailed(f"cannot read {self._partitions[0].topic}: {error!r}") from error
            await self._complain(error)
            return
        except Exception as error:  # noqa: BLE001
            # Whatever stands in a topic that many share, the next reply is waited for.
            await self._complain(error)
            return
        for records in batches.values():
            for record in records:
                self._take(record)

    def _take(self, record: ConsumerRecord[Any, Any]) -> None:
        line = self._job.line(last_header(record.headers, "correlation_id") or b"")
        # A piece of a streamed reply: the whole of it follows.
        if line is None or last_header(record.headers, "final") == b"false":
            return
        try:
            reply = json.loads(record.value or b"")
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            message = f"what came as the reply, {record.topic}/{record.partition}/{record.offset}, is not a JSON object"
            reply = local_error(ErrorDetail(code="internal", message=message, retryable=True))
        self._job.answer(line, reply)

    async def _catch_up(self, ends: dict[TopicPartition, int]) -> None:
        loop = asyncio.get_running_loop()
        heard, reached = loop.time(), dict[TopicPartition, int]()
        while True:
            # The position tells, not the last record: markers and aborted transactions are passed over.
            before, reached = reached, {each: await self._consumer.position(each) for each in self._partitions}
            if all(reached[each] >= ends[each] for each in ends):
                return
            if reached != before:
                heard = loop.time()
            elif loop.time() - heard > _SILENCE_SECONDS:
                raise KafkaFailed(f"the broker does not hand over the records of {self._partitions[0].topic}")
            await self.read()

    async def _complain(self, error: Exception) -> None:
        if not self._complained:
            tell(f"warning: cannot read replies, trying again: {error!r}")
            self._complained = True
        await asyncio.sleep(_TRY_AGAIN_SECONDS)

"""Reader of the replies to a job, also of replies that came while no command ran."""

import asyncio
import json

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from carteiro.cli.bulk.input_file import local_error
from carteiro.cli.bulk.job import BulkJob
from carteiro.cli.bulk.progress import print_status
from carteiro.cli.kafka import KafkaFailed
from carteiro.kafka.replay import ReplayProgress, ReplayStalled
from carteiro.schemas import ErrorDetail
from carteiro.wire.record import Record, last_header
from carteiro.wire.record_batches.tolerant_reader import poll_records

_READ_MS = 200
_TRY_AGAIN_SECONDS = 1.0
_STALL_SECONDS = 60.0


class ReplyReader:
    """Reader of the replies on their topic, from the offsets at which the job began."""

    def __init__(self, job: BulkJob, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        self._job = job
        self._consumer = consumer
        self._partitions = partitions
        self._warned = False

    async def start(self) -> None:
        """Seek to the end of the topic for a new job, and else to the offsets at which the job began.

        Then read the replies that exist, so that no line is sent again that has its reply already.
        """
        self._consumer.assign(self._partitions)
        ends = await self._consumer.end_offsets(self._partitions)
        beginning = self._job.header or self._job.start({each.partition: ends[each] for each in ends})
        first = await self._consumer.beginning_offsets(self._partitions)
        # A partition that was added later is read from its first record.
        starts = {each: beginning.offsets.get(each.partition, first[each]) for each in self._partitions}
        for each, start in starts.items():
            self._consumer.seek(each, max(start, first[each]))
        if self._job.states.in_flight and any(first[each] > start for each, start in starts.items()):
            print_status(
                "warning: some replies since the beginning are no longer in the topic (its retention.ms, "
                "retention.bytes): replies may be missing"
            )
        await self._catch_up(ends)

    async def read(self) -> None:
        """Read and write the replies that arrive within a short wait. Raise `KafkaFailed` or `JobFailed`."""
        try:
            batches = await poll_records(self._consumer, _READ_MS)
        except KafkaError as error:
            if not error.retriable:
                raise KafkaFailed(f"cannot read {self._partitions[0].topic}: {error!r}") from error
            await self._warn_once(error)
            return
        except Exception as error:  # noqa: BLE001
            # Many producers share the topic: an unreadable record must not end the wait for the next reply.
            await self._warn_once(error)
            return
        for records in batches.values():
            for record in records:
                self._record_reply(record)

    def _record_reply(self, record: Record) -> None:
        line = self._job.line_of(last_header(record.headers, "correlation_id") or b"")
        # The record is a chunk of a streamed reply: the whole reply follows.
        if line is None or last_header(record.headers, "final") == b"false":
            return
        try:
            reply = json.loads(record.value or b"")
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            message = f"the reply {record.topic}/{record.partition}/{record.offset} is not a JSON object"
            reply = local_error(ErrorDetail(code="internal", message=message, retryable=True))
        self._job.record_reply(line, reply)

    async def _catch_up(self, ends: dict[TopicPartition, int]) -> None:
        progress = ReplayProgress(self._consumer, ends, _STALL_SECONDS)
        try:
            while await progress.remaining():
                await self.read()
        except ReplayStalled:
            raise KafkaFailed(f"the broker does not return the records of {self._partitions[0].topic}") from None

    async def _warn_once(self, error: Exception) -> None:
        if not self._warned:
            print_status(f"warning: cannot read replies, trying again: {error!r}")
            self._warned = True
        await asyncio.sleep(_TRY_AGAIN_SECONDS)

"""Exchange of a job with a service: it sends requests and reads replies at the same time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from carteiro.cli.bulk.job import BulkJob
from carteiro.cli.bulk.reply_reader import ReplyReader
from carteiro.cli.bulk.request_sender import RequestSender
from carteiro.cli.kafka import KafkaFailed, KafkaSession
from carteiro.kafka.bounded_producer import BoundedProducer
from carteiro.kafka.producers import acknowledged_producer, stop_producer
from carteiro.wire.record_batches.tolerant_reader import RAW_BATCH_OPTIONS


class NoReplies(Exception):
    """No reply has come for too long. The message gives the time, and a possible cause."""


@dataclass(frozen=True, slots=True)
class JobLimits:
    """Limits of a job."""

    max_in_flight: int | None
    """Maximum number of requests without a reply at once; None for no limit."""
    stall_seconds: float
    """Seconds without a reply after which the job fails, because no worker seems to run."""
    timeout: float | None
    """Each request's deadline in seconds, for its headers; None for no deadline header."""


async def exchange(kafka: KafkaSession, job: BulkJob, limits: JobLimits, show_progress: Callable[[], None]) -> None:
    """Send the unsent requests and write the replies, until every line is answered.

    `show_progress` is called all the time. Raise `NoReplies`, `KafkaFailed` or `JobFailed`. The journal then holds the
    progress until that point, as it does after a cancellation.
    """
    requests, replies = kafka.topics.requests(job.defaults.task), kafka.topics.replies(job.defaults.task)
    sending: RequestSender | None = None
    try:
        async with _clients(kafka) as (producer, consumer):
            partitions = [TopicPartition(replies, each) for each in await _partitions(producer, replies)]
            await _partitions(producer, requests)
            reading = ReplyReader(job, consumer, partitions)
            await reading.start()
            sending = RequestSender(job, producer, requests, max_in_flight=limits.max_in_flight, timeout=limits.timeout)
            sender = asyncio.create_task(sending.run())
            try:
                await _wait_until_answered(job, sender, sending, reading, limits.stall_seconds, show_progress)
            finally:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
    finally:
        # A stopped producer sends its buffered records: they are confirmed only now.
        if sending:
            sending.journal_confirmed()


async def _wait_until_answered(
    job: BulkJob,
    sender_task: asyncio.Task[None],
    sender: RequestSender,
    reader: ReplyReader,
    stall_seconds: float,
    show_progress: Callable[[], None],
) -> None:
    loop = asyncio.get_running_loop()
    last_progress_at, last_counts = loop.time(), (job.states.sent, job.states.answered)
    while not (sender_task.done() and job.states.all_answered):
        if sender_task.done():
            sender_task.result()
        await reader.read()
        sender.on_replies()
        show_progress()
        # `read` returns at once while many records are there, and the sender has to run too.
        await asyncio.sleep(0)
        before, last_counts = last_counts, (job.states.sent, job.states.answered)
        if last_counts != before:
            last_progress_at = loop.time()
        elif loop.time() - last_progress_at > stall_seconds:
            raise NoReplies(f"no reply in {stall_seconds:g} s (is a worker running?)")
    sender_task.result()


@asynccontextmanager
async def _clients(kafka: KafkaSession) -> AsyncIterator[tuple[BoundedProducer, AIOKafkaConsumer]]:
    producer = acknowledged_producer(kafka.options, compression=kafka.compression)
    # A reply of an aborted transaction does not count: its request is answered again.
    consumer = AIOKafkaConsumer(
        **kafka.options,
        **RAW_BATCH_OPTIONS,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        await producer.start()
        await consumer.start()
        yield producer, consumer
    finally:
        await stop_producer(producer)
        await consumer.stop()


async def _partitions(producer: BoundedProducer, topic: str) -> list[int]:
    try:
        return sorted(await producer.partitions_for(topic))
    except UnknownTopicOrPartitionError as error:
        raise KafkaFailed(f"there is no topic {topic}: has a worker ever run here?") from error

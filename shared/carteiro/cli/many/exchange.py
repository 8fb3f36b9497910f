"""A job's exchange with a service: requests out, replies in, at the same time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from carteiro.cli.kafka import Kafka, KafkaFailed
from carteiro.cli.many.job import Job
from carteiro.cli.many.reading import Reading
from carteiro.cli.many.sending import Sending
from carteiro.worker.delivery.producers import stop_producer


class NoReplies(Exception):
    """Nothing has come for too long. The message says for how long, and what may be the matter."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a job allows its service."""

    in_flight: int | None
    """How many requests may be without a reply at once; None: all of them."""
    silence: float
    """Seconds without a reply after which nobody is taken to be there."""
    timeout: float | None
    """Each request's deadline in seconds, in its headers; None: none there."""


async def exchange(kafka: Kafka, job: Job, terms: Terms, show: Callable[[], None]) -> None:
    """Send what is unsent and write what comes, until every line is answered. `show` is called all the while.

    Raises `NoReplies`, `KafkaFailed` and `JobFailed`; what was done by then is noted, as it is when cancelled.
    """
    requests, replies = kafka.topics.requests(job.laid.task), kafka.topics.replies(job.laid.task)
    sending: Sending | None = None
    try:
        async with _clients(kafka) as (producer, consumer):
            partitions = [TopicPartition(replies, each) for each in await _partitions(producer, replies)]
            await _partitions(producer, requests)
            reading = Reading(job, consumer, partitions)
            await reading.begin()
            sending = Sending(job, producer, requests, in_flight=terms.in_flight, timeout=terms.timeout)
            sender = asyncio.create_task(sending.run())
            try:
                await _until_answered(job, sender, sending, reading, terms.silence, show)
            finally:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
    finally:
        # A producer that is stopped sends what it still holds: that is confirmed only now.
        if sending:
            sending.note()


async def _until_answered(
    job: Job, sender: asyncio.Task[None], sending: Sending, reading: Reading, silence: float, show: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()
    heard, stood = loop.time(), (job.states.sent, job.states.answered)
    while not (sender.done() and job.states.answered_all):
        if sender.done():
            sender.result()
        await reading.read()
        sending.wake()
        show()
        # `read` comes back at once while there is much to read, and the sender has to get its turn.
        await asyncio.sleep(0)
        before, stood = stood, (job.states.sent, job.states.answered)
        if stood != before:
            heard = loop.time()
        elif loop.time() - heard > silence:
            raise NoReplies(f"no reply in {silence:g} s (is a worker running?)")
    sender.result()


@asynccontextmanager
async def _clients(kafka: Kafka) -> AsyncIterator[tuple[AIOKafkaProducer, AIOKafkaConsumer]]:
    producer = AIOKafkaProducer(**kafka.options, acks="all")
    # A reply of a transaction that is aborted is none: its request is answered again.
    consumer = AIOKafkaConsumer(
        **kafka.options, enable_auto_commit=False, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    try:
        await producer.start()
        await consumer.start()
        yield producer, consumer
    finally:
        await stop_producer(producer)
        await consumer.stop()


async def _partitions(producer: AIOKafkaProducer, topic: str) -> list[int]:
    try:
        return sorted(await producer.partitions_for(topic))
    except UnknownTopicOrPartitionError as error:
        raise KafkaFailed(f"there is no topic {topic}: has a worker ever run here?") from error

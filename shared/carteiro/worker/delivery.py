"""Getting a reply to where it belongs, until the broker has confirmed it."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from carteiro.schemas import FieldError
from carteiro.wire.envelope import Envelope
from carteiro.wire.record import OutgoingRecord
from carteiro.wire.reply import reply_record
from carteiro.worker.answering import Answer, too_large, undeliverable_reply
from carteiro.worker.kafka import why_unreachable

log = structlog.get_logger("carteiro.worker")

_TOPIC_SECONDS = 5.0
_FORGET_SECONDS = 30.0
_CALLER_SECONDS = 120.0
"""How long a caller's topic that fails for a passing reason is tried."""
_MOST_ECHO = 16 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where a reply goes. `problem` says why not to where its request asked, if it cannot."""

    topic: str
    partition: int | None = None
    problem: FieldError | None = None


class _TurnedAway(Exception):
    """A caller's topic does not take its reply."""


class Delivery:
    """Sends replies through one producer (`acks=all`)."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._producer: AIOKafkaProducer | None = None
        self._absent: dict[str, float] = {}

    async def start(self) -> None:
        """Connect the producer, unless it is. Raises aiokafka's `KafkaError`."""
        if self._producer is not None:
            return
        producer = AIOKafkaProducer(**self._options, acks="all")
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Send what is buffered and disconnect."""
        if self._producer:
            await self._producer.stop()

    async def address(self, envelope: Envelope, replies: str) -> Address:
        """Where the reply to a request goes: where it asks, if that is there, else to the topic `replies`."""
        topic, partition = envelope.reply_topic or replies, envelope.reply_partition
        if topic == replies and partition is None:
            return Address(replies)
        partitions = await self._partitions(topic)
        if not partitions:
            return _instead(replies, f"there is no topic {topic!r} that this service can write to")
        if partition is not None and partition not in partitions:
            return _instead(replies, f"{topic!r} has no partition {partition}")
        return Address(topic, partition)

    async def deliver(
        self, answer: Answer, envelope: Envelope, address: Address, *, replies: str, trace: dict[str, str]
    ) -> Answer:
        """Send the reply and return what was sent, once the broker has confirmed it.

        A broker that is away is waited for. A reply that its topic does not take (too large, no permission, a topic
        of the caller's that is gone or refuses it) is replaced by an error reply, so that there is always one.
        """
        while True:
            value = answer.model_dump_json().encode()
            record = reply_record(
                envelope, answer.task, value, topic=address.topic, partition=address.partition, trace=trace
            )
            try:
                await self._send(record, replies)
            except (MessageSizeTooLargeError, RecordListTooLargeError):
                if answer.status == "error":
                    await self.deliver_bare(answer, envelope, replies)
                    return answer
                answer = too_large(answer.task, envelope, len(record.value))
            except _TurnedAway as error:
                address = _instead(replies, f"{address.topic!r} does not take the reply ({error})")
                assert address.problem is not None
                answer = undeliverable_reply(answer.task, envelope, address.problem)
            else:
                return answer

    async def deliver_bare(self, answer: Answer, envelope: Envelope | None, replies: str) -> None:
        """Send an error reply that always fits, to `replies`: without the request's key and CloudEvent, and with
        the request's id instead of its own correlation where that is what is large.
        """
        echo = list(envelope.echo) if envelope else []
        if not echo or sum(len(value) for _, value in echo) > _MOST_ECHO:
            echo = [("correlation_id", answer.request_id.encode())]
        headers = [*echo, ("content-type", b"application/json")]
        await self._send(OutgoingRecord(replies, None, None, answer.model_dump_json().encode(), headers), replies)

    async def _send(self, record: OutgoingRecord, replies: str) -> None:
        """Send one record, however often it takes. Raises only what no further try can mend."""
        assert self._producer is not None
        delay, until = 0.2, time.monotonic() + _CALLER_SECONDS
        while True:
            try:
                await self._producer.send_and_wait(
                    record.topic, record.value, record.key, record.partition, headers=list(record.headers)
                )
            except (MessageSizeTooLargeError, RecordListTooLargeError):
                raise
            except (KafkaError, AssertionError) as error:
                # The producer's own check of a partition is an assertion: it may have seen older metadata.
                lasting = isinstance(error, KafkaError) and not error.retriable
                if record.topic != replies and (lasting or time.monotonic() > until):
                    # A caller's topic may not stop everybody else's requests.
                    raise _TurnedAway(str(error) or type(error).__name__) from error
                log.warning("the reply is not confirmed; trying again", topic=record.topic, reason=repr(error))
            else:
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)

    async def _partitions(self, topic: str) -> set[int]:
        """The partitions of a topic, none where it is not there. Asking may create it, where the broker does so."""
        assert self._producer is not None
        if self._absent.get(topic, 0.0) > time.monotonic():
            return set()
        while True:
            try:
                return set(await asyncio.wait_for(self._producer.partitions_for(topic), _TOPIC_SECONDS))
            except (TimeoutError, UnknownTopicOrPartitionError, TopicAuthorizationFailedError) as error:
                if isinstance(error, TimeoutError) and (reason := await why_unreachable(self._options)):
                    log.warning("cannot look up the reply topic; trying again", topic=topic, reason=str(reason))
                    continue
                # Remembered for a while: many such requests in a row must not wait one after the other.
                self._absent = {name: until for name, until in self._absent.items() if until > time.monotonic()}
                self._absent[topic] = time.monotonic() + _FORGET_SECONDS
                return set()
            except KafkaError as error:
                log.warning("cannot look up the reply topic; trying again", topic=topic, reason=repr(error))
                await asyncio.sleep(1)


def _instead(replies: str, reason: str) -> Address:
    return Address(replies, problem=FieldError(field="reply topic", reason=reason))

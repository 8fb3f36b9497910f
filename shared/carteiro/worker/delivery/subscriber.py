"""FastStream's subscriber, with a window for each partition instead of one message at a time.

Everything that FastStream does with a message stays: parsers, middlewares, dependency injection, AsyncAPI. What
changes is when messages are read and when they count as done. It rests on private names of FastStream;
`tests/unit/worker/test_contract.py` pins them.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError
from faststream import AckPolicy
from faststream._internal.broker.registrator import Registrator
from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.configs import KafkaBrokerConfig
from faststream.kafka.schemas import Topic
from faststream.kafka.subscriber.config import KafkaSubscriberConfig, KafkaSubscriberSpecificationConfig
from faststream.kafka.subscriber.specification import KafkaSubscriberSpecification
from faststream.kafka.subscriber.usecase import DefaultSubscriber, LogicSubscriber

from carteiro.wire.record import Record
from carteiro.worker.delivery.at_least_once import Commits
from carteiro.worker.delivery.lanes import Lanes
from carteiro.worker.delivery.outcome import Outcome

log = structlog.get_logger("carteiro.delivery")

_POLL_MS = 1000
_FETCH_WAIT_MS = 100
"""A partition that has found room again waits for the fetch that is under way without it: at most this long."""


class WindowSubscriber(DefaultSubscriber):
    """Hands what it reads to lanes, which have `serve` called for many records at once."""

    def __init__(
        self,
        config: KafkaSubscriberConfig,
        specification: Any,
        calls: CallsCollection[Record],
        lost: Callable[[Record], Awaitable[Outcome]],
    ) -> None:
        super().__init__(config, specification, calls)
        self._lost = lost
        self.commits = Commits()
        self.lanes: Lanes
        self.beside: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """What else runs for as long as records are read."""

    async def start(self) -> None:
        """Join the group, and read until stopped."""
        await super(LogicSubscriber, self).start()
        self.consumer = consumer = self.builder(
            group_id=self.group_id, client_id=self.client_id, **self._connection_args
        )
        self.parser._setup(consumer)  # noqa: SLF001
        self.lanes.serve(consumer)
        consumer.subscribe(topics=self.topic_names_for_subscribe, listener=self.lanes)
        self.add_task(self.commits.run, (consumer,))
        for each in (self.lanes.watch, *self.beside):
            self.add_task(each)
        await consumer.start()
        self._post_start()
        self.add_task(self._run_consume_loop, (consumer,))

    async def stop(self) -> None:
        """Drain the lanes, and only then stop reading and leave the group."""
        await self.lanes.stop()
        await super().stop()

    async def serve(self, record: Record) -> Outcome:
        """Have FastStream serve a record. Raises nothing but cancellation."""
        try:
            outcome = (await self.process_message(record)).body
        except Exception:
            where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            log.critical("a request could not be read", **where, exc_info=True)
            outcome = None
        return outcome if isinstance(outcome, Outcome) else await self._lost(record)

    async def _run_consume_loop(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                self.lanes.accept(await consumer.getmany(timeout_ms=_POLL_MS))
            except ConsumerStoppedError:
                return
            except UnicodeDecodeError:
                self.lanes.read_again()
                for partition in consumer.assignment():
                    await self._step_over(consumer, partition)
            except Exception as error:  # noqa: BLE001  # reading has to go on
                log.error("cannot read; trying again", topic=self.topic_names, reason=repr(error))
                self.lanes.read_again()
                await asyncio.sleep(1)

    async def _step_over(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
        """Read a partition record by record, past one that aiokafka cannot read."""
        try:
            while records := await consumer.getmany(partition, timeout_ms=_POLL_MS, max_records=1):
                self.lanes.accept(records)
        except UnicodeDecodeError:
            unreadable = await consumer.position(partition)
            # There is no reply: what it should be sent with, and where to, stands in the headers.
            log.error(
                "skipping a record with a header name that is not UTF-8, which Kafka forbids",
                topic=partition.topic,
                partition=partition.partition,
                offset=unreadable,
            )
            self.lanes.skip(partition, unreadable)


def subscribe(
    broker: KafkaBroker,
    topic: str,
    group: str,
    handler: Callable[[Record], Awaitable[Outcome]],
    lost: Callable[[Record], Awaitable[Outcome]],
    connection: dict[str, Any],
) -> WindowSubscriber:
    """Have every record of `topic` given to `handler`, or to `lost` where FastStream or a middleware stumbles over
    it. `connection` is for the consumer, as aiokafka names it.

    What `broker.subscriber()` does for its own kinds of subscribers, for ours.
    """
    topics = [Topic(topic)]
    outer = cast("KafkaBrokerConfig", broker.config)
    calls: CallsCollection[Record] = CallsCollection()
    config = KafkaSubscriberConfig(
        topics=topics,
        group_id=group,
        connection_args={
            **connection,
            "auto_offset_reset": "earliest",
            "isolation_level": "read_committed",
            "fetch_max_wait_ms": _FETCH_WAIT_MS,
        },
        no_reply=True,
        _outer_config=outer,
        _ack_policy=AckPolicy.MANUAL,
    )
    specification = KafkaSubscriberSpecification(
        _outer_config=outer,
        calls=calls,
        specification_config=KafkaSubscriberSpecificationConfig(
            topics=topics, title_=None, description_=None, include_in_schema=False
        ),
    )
    subscriber = WindowSubscriber(config, specification, calls, lost)
    Registrator.subscriber(broker, subscriber)
    subscriber.add_call(parser_=_parse_record, decoder_=_whole_record, dependencies_=())

    async def handle(record: Any) -> Any:  # FastStream would have pydantic look at any other type
        return await handler(record)

    subscriber(handle)
    return subscriber


async def _parse_record(record: Record, original: Callable[[Record], Awaitable[KafkaMessage]]) -> KafkaMessage:
    """FastStream's own parser, for records with any headers.

    It decodes each header as UTF-8 and drops a record where that fails, so it is shown only those that it can
    read; the record itself is kept whole.
    """
    readable = tuple((name, value) for name, value in record.headers if value is not None and _is_utf8(value))
    if len(readable) == len(record.headers):
        return await original(record)
    message = await original(dataclasses.replace(cast("Any", record), headers=readable))
    message.raw_message = record
    return message


async def _whole_record(message: KafkaMessage) -> Any:
    # FastStream would read the JSON before us, and drop a record where it cannot. A handler that is given the record
    # as its message's content spares the lookup of a `KafkaMessage`, which FastStream does in a thread.
    return message.raw_message


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True

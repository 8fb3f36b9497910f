"""A FastStream subscriber that serves many records of each partition at once, instead of one message at a time.

FastStream's parsers, middlewares, dependency injection and AsyncAPI work as before. Only the time at which messages are
read and acknowledged changes. The module uses private names of FastStream; `tests/unit/worker/test_contract.py` pins
them.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import ConsumerStoppedError, NoOffsetForPartitionError, OffsetOutOfRangeError
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
from carteiro.wire.record_batches.raw_batches import raw_batch_marker
from carteiro.worker.delivery.acknowledged import OffsetCommitter
from carteiro.worker.delivery.lanes import Lanes
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.observability.logs import traceback_summary

log = structlog.get_logger("carteiro.delivery")

_POLL_MS = 1000
_FETCH_WAIT_MS = 100
"""Maximum wait of a fetch. A resumed partition waits that long for a running fetch that does not include it."""

_MAX_BATCHES_PER_POLL = 1000
"""Batches that are processed in one step of the event loop. One megabyte may have 15,000 batches."""
_FETCH_BYTES = 16 * 1024 * 1024
"""Bytes of one fetch response, for all partitions of a broker.

A larger batch is still sent whole: only the topic's `max.message.bytes` bounds it.
"""


class LaneSubscriber(DefaultSubscriber):
    """Passes the batches that it reads to lanes, which call `dispatch` for many records at once."""

    def __init__(
        self,
        config: KafkaSubscriberConfig,
        specification: Any,
        calls: CallsCollection[Record],
        handler: Callable[[Record], Awaitable[Outcome]],
        on_unhandled: Callable[[Record], Awaitable[Outcome]],
    ) -> None:
        super().__init__(config, specification, calls)
        self._handler, self._on_unhandled = handler, on_unhandled
        self.committer = OffsetCommitter()
        self.lanes: Lanes
        self.background_tasks: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """Coroutines that run for as long as records are read."""

    async def start(self) -> None:
        """Join the group, and read until stopped."""
        await super(LogicSubscriber, self).start()
        self.consumer = consumer = self.builder(
            group_id=self.group_id, client_id=self.client_id, **self._connection_args
        )
        self.parser._setup(consumer)  # noqa: SLF001
        self.lanes.attach(consumer)
        consumer.subscribe(topics=self.topic_names_for_subscribe, listener=self.lanes)
        self.add_task(self.committer.run, (consumer,))
        for each in (self.lanes.watch_lanes, self.lanes.watch_topic, *self.background_tasks):
            self.add_task(each)
        await consumer.start()
        self._post_start()
        self.add_task(self._run_consume_loop, (consumer,))

    async def stop(self) -> None:
        """Drain the lanes, and only then stop reading and leave the group."""
        await self.lanes.stop()
        await super().stop()

    async def dispatch(self, record: Record) -> Outcome:
        """Serve a record, through the broker's middlewares if it has any, and return its outcome.

        Raise nothing except cancellation.
        """
        outcome: Any
        try:
            # Without middlewares, FastStream's parsing and dependency injection would take an eighth of a request's
            # processor time and change nothing.
            if self._broker_middlewares:
                outcome = (await self.process_message(record)).body
            else:
                outcome = await self._handler(record)
        except Exception as error:  # noqa: BLE001  # it becomes a reply
            log_fields = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            log.critical("a request could not be read", **log_fields, failure=traceback_summary(error))
            outcome = None
        return outcome if isinstance(outcome, Outcome) else await self._on_unhandled(record)

    async def _run_consume_loop(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                self.lanes.on_record_batches(
                    await consumer.getmany(timeout_ms=_POLL_MS, max_records=_MAX_BATCHES_PER_POLL)
                )
                await asyncio.sleep(0)  # `getmany` may return fetched batches without a pause for other tasks
            except ConsumerStoppedError:
                return
            except OffsetOutOfRangeError as error:
                self.lanes.on_offsets_out_of_range(error.args[0])
            except NoOffsetForPartitionError:
                continue  # the partition's lane sets its position
            except Exception as error:  # noqa: BLE001  # reading has to go on
                log.error("cannot read; trying again", topic=self.topic_names, reason=repr(error))
                self.lanes.reset_positions()
                await asyncio.sleep(1)


def subscribe(
    broker: KafkaBroker,
    topic: str,
    group: str,
    handler: Callable[[Record], Awaitable[Outcome]],
    on_unhandled: Callable[[Record], Awaitable[Outcome]],
    connection: dict[str, Any],
) -> LaneSubscriber:
    """Subscribe `handler` to every record of `topic`, as `broker.subscriber()` does for FastStream's own subscribers.

    `on_unhandled` is called instead if FastStream or a middleware fails for a record. `connection` is aiokafka's
    options for the consumer.
    """
    topics = [Topic(topic)]
    outer = cast("KafkaBrokerConfig", broker.config)
    calls: CallsCollection[Record] = CallsCollection()
    config = KafkaSubscriberConfig(
        topics=topics,
        group_id=group,
        connection_args={
            **connection,
            # An offset out of range must reach the lane, which logs the gap.
            "auto_offset_reset": "none",
            "isolation_level": "read_committed",
            "fetch_max_wait_ms": _FETCH_WAIT_MS,
            "fetch_max_bytes": _FETCH_BYTES,
            "value_deserializer": raw_batch_marker,
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
    subscriber = LaneSubscriber(config, specification, calls, handler, on_unhandled)
    Registrator.subscriber(broker, subscriber)
    subscriber.add_call(parser_=_parse_record, decoder_=_record_as_body, dependencies_=())

    async def handle(record: Any) -> Any:  # FastStream would validate any other type with pydantic
        return await handler(record)

    subscriber(handle)
    return subscriber


async def _parse_record(record: Record, original: Callable[[Record], Awaitable[KafkaMessage]]) -> KafkaMessage:
    """Parse a record with FastStream's own parser, even if its headers are not UTF-8.

    FastStream decodes each header as UTF-8 and drops the record if that fails. So it gets only the readable headers,
    and the message keeps the complete record.
    """
    readable = tuple((name, value) for name, value in record.headers if value is not None and _is_utf8(value))
    if len(readable) == len(record.headers):
        return await original(record)
    message = await original(dataclasses.replace(cast("Any", record), headers=readable))
    message.raw_message = record
    return message


async def _record_as_body(message: KafkaMessage) -> Any:
    # FastStream would parse the JSON first, and drop a record if that fails. If the record is the content of its
    # message, FastStream also does not look up a `KafkaMessage` for the handler, which it does in a thread.
    return message.raw_message


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True

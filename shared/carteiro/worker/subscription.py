"""How a task's requests reach us through FastStream."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord
from aiokafka.errors import CommitFailedError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

log = structlog.get_logger("carteiro.worker")

_POLL_MINUTES = 60
"""A request may take as long as its model; only then is a worker held to be stuck by its group."""


class _Joined(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, joined: Callable[[], None], topic: str) -> None:
        self._joined, self._topic = joined, topic

    def on_partitions_revoked(self, revoked: set[Any]) -> None:
        if revoked:
            log.info("giving partitions back", topic=self._topic, partitions=sorted(each.partition for each in revoked))

    def on_partitions_assigned(self, assigned: set[Any]) -> None:
        log.info("taking requests", topic=self._topic, partitions=sorted(each.partition for each in assigned))
        self._joined()


def subscribe(
    broker: KafkaBroker,
    topic: str,
    group: str,
    serve: Callable[[ConsumerRecord[Any, Any]], Awaitable[None]],
    joined: Callable[[], None],
) -> None:
    """Have every record of `topic` served, one at a time, and acknowledged after `serve` has returned."""
    subscriber = broker.subscriber(
        topic,
        group_id=group,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        max_poll_interval_ms=_POLL_MINUTES * 60_000,
        listener=_Joined(joined, topic),
        parser=parse_record,
        decoder=_leave_undecoded,
        include_in_schema=False,
    )

    @subscriber
    async def serve_and_acknowledge(message: KafkaMessage) -> None:
        await serve(message.raw_message)
        try:
            await message.ack()
        except CommitFailedError:
            log.warning("answered, but the partition has moved: its next owner answers again", topic=topic)
        except KafkaError as error:
            log.warning("answered, but not acknowledged: after a restart it is answered again", reason=repr(error))


async def parse_record(
    record: ConsumerRecord[Any, Any], original: Callable[[ConsumerRecord[Any, Any]], Awaitable[KafkaMessage]]
) -> KafkaMessage:
    """FastStream's own parser, for records with any headers.

    It decodes each header as UTF-8 and drops a record where that fails, so it is shown only those that it can
    read; the record itself is kept whole.
    """
    readable = tuple((name, value) for name, value in record.headers if value is not None and _is_utf8(value))
    message = await original(dataclasses.replace(record, headers=readable))
    message.raw_message = record
    return message


async def _leave_undecoded(message: KafkaMessage) -> bytes:
    # FastStream would read the JSON before us, and drop a record where it cannot.
    return message.body


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True

"""The producers of a worker: how they are made, handed a record, and stopped."""

import asyncio
import contextlib
from typing import Any

from aiokafka import AIOKafkaProducer

from carteiro.wire.record import OutgoingRecord

TRANSACTION_SECONDS = 10.0
"""Readers of committed records wait this long for a dead worker's open transaction, at worst."""
_BATCH_BYTES = 512 * 1024
_CLOSE_SECONDS = 2.0


def transactional_producer(options: dict[str, Any], transactional_id: str) -> AIOKafkaProducer:
    """A producer, not yet started, that writes in transactions."""
    return AIOKafkaProducer(
        **options,
        transactional_id=transactional_id,
        transaction_timeout_ms=int(TRANSACTION_SECONDS * 1000),
        max_batch_size=_BATCH_BYTES,
    )


def acknowledged_producer(options: dict[str, Any]) -> AIOKafkaProducer:
    """A producer, not yet started, whose records count as sent once all in-sync replicas have them."""
    return AIOKafkaProducer(**options, acks="all", max_batch_size=_BATCH_BYTES)


async def send(producer: Any, record: OutgoingRecord) -> asyncio.Future[Any]:
    """Hand a record to the producer; the future is done when the broker has it, or has failed for good."""
    future: asyncio.Future[Any] = await producer.send(
        record.topic, record.value, record.key, record.partition, headers=list(record.headers)
    )
    future.add_done_callback(_look_at)
    return future


def _look_at(future: asyncio.Future[Any]) -> None:
    # asyncio complains of an exception that nobody asked for, as where another record failed first.
    if not future.cancelled():
        future.exception()


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer that may be in any state. What it has not sent by then is not sent."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await producer.stop()
    # A stop that is cut short leaves its sender and its connections behind.
    for close in (producer._sender.close, producer.client.close):  # noqa: SLF001
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await close()

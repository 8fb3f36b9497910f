"""Creation and stop of a worker's producers."""

import asyncio
import contextlib
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer

from carteiro.kafka.bounded_producer import MAX_PRODUCE_BYTES, BoundedProducer
from carteiro.kafka.broker_limits import TRANSACTION_SECONDS
from carteiro.wire.compression import DEFAULT_COMPRESSION, Compression

_CLOSE_SECONDS = 2.0


def transactional_producer(
    options: dict[str, Any],
    transactional_id: str,
    *,
    transaction_seconds: float = TRANSACTION_SECONDS,
    max_produce_bytes: int = MAX_PRODUCE_BYTES,
    compression: Compression = DEFAULT_COMPRESSION,
) -> BoundedProducer:
    """Return a transactional producer that is not started yet.

    `transaction_seconds` is the time after which the broker aborts a transaction, `max_produce_bytes` the maximum bytes
    of a produce request.
    """
    return BoundedProducer(
        **options,
        transactional_id=transactional_id,
        transaction_timeout_ms=int(transaction_seconds * 1000),
        max_produce_bytes=max_produce_bytes,
        compression=compression,
    )


def acknowledged_producer(
    options: dict[str, Any],
    *,
    max_produce_bytes: int = MAX_PRODUCE_BYTES,
    compression: Compression = DEFAULT_COMPRESSION,
    gather_seconds: float = 0.0,
) -> BoundedProducer:
    """Return a producer that is not started yet, whose records are acknowledged by all in-sync replicas.

    Records that follow a request to their broker within `gather_seconds` come together for the next request.
    """
    return BoundedProducer(
        **options,
        acks="all",
        max_produce_bytes=max_produce_bytes,
        compression=compression,
        gather_seconds=gather_seconds,
    )


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer in any state. Records that are not sent yet are dropped."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await producer.stop()
    # A stop that times out leaves its sender task and its connections open.
    for close in (producer._sender.close, producer.client.close):  # noqa: SLF001
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await close()
    # A stop that times out also leaves a task that waits for unsent batches.
    accumulator = producer._message_accumulator  # noqa: SLF001
    for batch in [*chain.from_iterable(accumulator._batches.values()), *accumulator._pending_batches]:  # noqa: SLF001
        batch.future.cancel()

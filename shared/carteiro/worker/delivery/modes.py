"""Which way of delivery a broker allows."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Any, Literal

import structlog
from aiokafka.errors import KafkaError

from carteiro.worker.delivery.producers import stop_producer, transactional_producer
from carteiro.worker.kafka.reaching import KafkaUnusable

log = structlog.get_logger("carteiro.delivery")

Mode = Literal["exactly_once", "at_least_once"]

_TRY_SECONDS = 30.0
_SENDER = logging.getLogger("aiokafka.producer.sender")


async def choose(wanted: Literal["auto"] | Mode, options: dict[str, Any], group: str) -> Mode:
    """The mode that is wanted; for `auto`, the stronger one that the broker has.

    Raises `KafkaUnusable` where transactions are wanted and the broker does not have them, or not for us.
    """
    if wanted == "at_least_once":
        return wanted
    reason = await _why_no_transactions(options, f"{group}-probe")
    if reason is None:
        return "exactly_once"
    if wanted == "exactly_once":
        raise KafkaUnusable(
            f"CARTEIRO_DELIVERY: exactly_once needs transactions, and the broker does not open one ({reason}): "
            f"allow transactional ids that begin with {group!r}, or set at_least_once"
        )
    log.warning("delivering at_least_once: the broker opens no transactions", reason=reason)
    return "at_least_once"


async def _why_no_transactions(options: dict[str, Any], transactional_id: str) -> str | None:
    producer = transactional_producer(options, transactional_id)
    try:
        with _unlogged():
            async with asyncio.timeout(_TRY_SECONDS):
                await producer.start()
    except (KafkaError, TimeoutError) as error:
        return str(error) or type(error).__name__
    finally:
        await stop_producer(producer)
    return None


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Without aiokafka's own line on a broker that opens no transaction: here that is an answer, and no error."""

    def is_news(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Unexpected error during InitProducerIdRequest")

    _SENDER.addFilter(is_news)
    try:
        yield
    finally:
        _SENDER.removeFilter(is_news)

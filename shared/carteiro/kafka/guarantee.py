"""Selection of the delivery guarantee that a broker allows."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Literal

import structlog
from aiokafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InvalidRequestError,
    InvalidTransactionTimeout,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedVersionError,
)

from carteiro.concurrency.backoff import Backoff
from carteiro.kafka.broker_limits import BrokerLimits
from carteiro.kafka.connection import KafkaUnusable
from carteiro.kafka.producers import stop_producer, transactional_producer

log = structlog.get_logger("carteiro.delivery")

Guarantee = Literal["exactly_once", "at_least_once"]

_PROBE_SECONDS = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 15.0
_MAX_SAME_ERRORS = 3
"""An error that is neither transient nor permanent counts as permanent after this many occurrences in a row."""
_SENDER_LOGGER = logging.getLogger("aiokafka.producer.sender")

_NO_TRANSACTIONS = (IncompatibleBrokerVersion, UnsupportedVersionError, NotImplementedError)
_NOT_ALLOWED = (
    TransactionalIdAuthorizationFailed,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
_REJECTED = (InvalidTransactionTimeout, InvalidRequestError)


async def select_guarantee(
    requested: Literal["auto"] | Guarantee,
    options: dict[str, Any],
    group: str,
    limits: BrokerLimits | None = None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> Guarantee:
    """Return the requested guarantee; for `auto`, the strongest guarantee that the broker allows.

    `options` are aiokafka's. `limits` is adapted to the longest transaction that the broker allows. `auto` becomes
    `at_least_once` only if the broker definitely rejects transactions, since the choice holds for the life of the
    process. Any other error is retried. Raise `KafkaUnusable` if `exactly_once` is requested and the broker rejects
    transactions.
    """
    if requested == "at_least_once":
        return requested
    reason = await _transactions_unavailable_reason(options, f"{group}-probe", limits or BrokerLimits(), sleep)
    if reason is None:
        return "exactly_once"
    if requested == "exactly_once":
        raise KafkaUnusable(
            f"CARTEIRO_DELIVERY: exactly_once needs transactions, and the broker does not open one ({reason}): "
            f"allow transactional ids that begin with {group!r}, or set at_least_once"
        )
    log.warning("delivering at_least_once: the broker opens no transactions", reason=reason)
    return "at_least_once"


async def _transactions_unavailable_reason(
    options: dict[str, Any], transactional_id: str, limits: BrokerLimits, sleep: Callable[[float], Awaitable[object]]
) -> str | None:
    """Return the broker's reason for rejecting transactions; None if it opens one."""
    backoff, same, before = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE), 0, ""
    while True:
        try:
            await _probe_transactions(options, transactional_id, limits)
            return None
        except (KafkaError, OSError, TimeoutError, NotImplementedError) as error:
            if limits.adapt(error):
                continue
            name = type(error).__name__
            same, before = (same + 1 if name == before else 1), name
            if (reason := permanent_reason(error)) is not None:
                return reason
            if isinstance(error, BrokerResponseError) and not error.retriable and same >= _MAX_SAME_ERRORS:
                return f"it answers {name} each time"
            pause = backoff.next_pause()
            log.warning(
                "cannot tell yet whether the broker has transactions; trying again",
                reason=str(error) or name,
                seconds=round(pause, 1),
                otherwise="set CARTEIRO_DELIVERY=at_least_once if it has none",
            )
        await sleep(pause)


def permanent_reason(error: BaseException) -> str | None:
    """Return the reason if an error means that the broker permanently rejects transactions; None if it may pass."""
    name = type(error).__name__
    chain = [error, error.__cause__, error.__context__]
    if any(isinstance(each, _NO_TRANSACTIONS) for each in chain):
        return f"it has none: {name}"
    if isinstance(error, _NOT_ALLOWED):
        return f"it does not allow them: {name}"
    if isinstance(error, _REJECTED):
        return f"it refuses ours: {error or name}"
    return None


async def _probe_transactions(options: dict[str, Any], transactional_id: str, limits: BrokerLimits) -> None:
    producer = transactional_producer(options, transactional_id, transaction_seconds=limits.transaction_seconds)
    try:
        with _sender_errors_silenced():
            async with asyncio.timeout(_PROBE_SECONDS):
                await producer.start()
    finally:
        await stop_producer(producer)


@contextlib.contextmanager
def _sender_errors_silenced() -> Iterator[None]:
    """Suppress aiokafka's error log about a broker that opens no transaction: here that is an expected answer."""

    def is_news(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Unexpected error during InitProducerIdRequest")

    _SENDER_LOGGER.addFilter(is_news)
    try:
        yield
    finally:
        _SENDER_LOGGER.removeFilter(is_news)

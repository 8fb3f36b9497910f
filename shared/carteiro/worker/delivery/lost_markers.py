"""Transactions that ended without a marker in the group's offsets, because of the broker.

While the only broker with a partition shuts down, that partition has no leader for a moment. Apache Kafka (4.3.1 at
least) then takes it for deleted, and completes a transaction without writing its marker there. From then on, nobody
knows if the offsets of the transaction are committed: `OffsetFetch` waits for the marker. The same producer writes it
with the end of another transaction.
"""

import asyncio
import time
from enum import Enum

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.errors import IncompatibleBrokerVersion

from carteiro.worker.delivery.broker_requests import DescribeTransactionRequest
from carteiro.worker.delivery.stable_offsets import (
    COORDINATOR_LOADING,
    COORDINATOR_UNAVAILABLE,
    NO_ERROR,
    NOT_COORDINATOR,
    find_stable_offset,
)

log = structlog.get_logger("carteiro.delivery")

_POLL_SECONDS = 0.2
_UNKNOWN_SECONDS = 10.0
"""Time in which another worker that writes the marker is done."""
_EMPTY = "Empty"
"""State of a transactional id whose producer has just started: how its latest transaction ended is forgotten."""


class TransactionEnd(Enum):
    """The state of a transactional id whose latest transaction has ended."""

    COMMITTED = "CompleteCommit"
    ABORTED = "CompleteAbort"


_ENDS = frozenset(each.value for each in TransactionEnd)


async def find_lost_marker(
    consumer: AIOKafkaConsumer, partition: TopicPartition, transactional_id: str
) -> TransactionEnd | None:
    """Return how the latest transaction of this id has ended if its marker is missing in the group's offset of the
    partition; None if no marker is missing.

    Has to be called before a new producer with this id starts, since the broker then forgets how it ended. If it is
    forgotten already, the transaction counts as aborted: its requests are served again. Raise `KafkaError`.
    """
    until = time.monotonic() + _UNKNOWN_SECONDS
    while True:
        is_stable, _ = await find_stable_offset(consumer, partition)
        if is_stable:
            return None
        state = await _fetch_state(consumer, transactional_id)
        if state in _ENDS:
            # The offset may have been read just before the marker was written.
            is_stable, _ = await find_stable_offset(consumer, partition)
            return None if is_stable else TransactionEnd(state)
        if state not in (_EMPTY, ""):
            return None  # a new producer ends the transaction, and the broker tells no more
        if time.monotonic() > until:
            if state != _EMPTY:
                return None
            log.warning(
                "the broker has forgotten how a transaction ended: it is aborted, and replies may come twice",
                topic=partition.topic,
                partition=partition.partition,
            )
            return TransactionEnd.ABORTED
        await asyncio.sleep(_POLL_SECONDS)


async def _fetch_state(consumer: AIOKafkaConsumer, transactional_id: str) -> str | None:
    """Return the state of a transactional id; "" if its coordinator is not ready, None if the broker has no state."""
    client = consumer._client  # noqa: SLF001
    node = await client.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id)
    try:
        request = DescribeTransactionRequest(transactional_id)
        response = await client.send(node, request, group=ConnectionGroup.COORDINATION)
    except IncompatibleBrokerVersion:
        return None
    ((code, _, state, *_),) = response.transactions
    if code in (COORDINATOR_LOADING, COORDINATOR_UNAVAILABLE, NOT_COORDINATOR):
        return ""
    return str(state) if code == NO_ERROR else None

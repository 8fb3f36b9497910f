"""`OffsetFetch` that waits for transactions to end (KIP-447), which aiokafka's versions of the request do not support.

A transaction's offset commit may become visible a while after the transaction has ended. A lane that took ownership in
between would read an older ledger, and publish the same outcomes as the transaction.
"""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import for_code
from aiokafka.structs import OffsetAndMetadata

from carteiro.worker.delivery.broker_requests import StableOffsetFetchRequest

NO_ERROR, COORDINATOR_LOADING, COORDINATOR_UNAVAILABLE, NOT_COORDINATOR, UNSTABLE_OFFSET_COMMIT = 0, 14, 15, 16, 88
"""Error codes of the Kafka protocol that are handled here."""

_RETRY_SECONDS = 0.02


async def wait_for_stable_offset(consumer: AIOKafkaConsumer, partition: TopicPartition) -> OffsetAndMetadata | None:
    """Return the group's committed offset of a partition once transactions that commit offsets have ended.

    Return None if nothing is committed. Raise `KafkaError`.
    """
    while True:
        is_stable, found = await find_stable_offset(consumer, partition)
        if is_stable:
            return found
        await asyncio.sleep(_RETRY_SECONDS)


async def find_stable_offset(
    consumer: AIOKafkaConsumer, partition: TopicPartition
) -> tuple[bool, OffsetAndMetadata | None]:
    """Return True and the committed offset, or False if a transaction has not ended; wait until the group has a
    coordinator. Raise `KafkaError`.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    while True:
        await coordinator.ensure_coordinator_known()
        code, found = await fetch_stable_offset(consumer, partition)
        if code in (NO_ERROR, UNSTABLE_OFFSET_COMMIT):
            return code == NO_ERROR, found
        if code in (NOT_COORDINATOR, COORDINATOR_UNAVAILABLE):
            coordinator.coordinator_dead()
        elif code != COORDINATOR_LOADING:
            raise for_code(code)
        await asyncio.sleep(_RETRY_SECONDS)


async def fetch_stable_offset(
    consumer: AIOKafkaConsumer, partition: TopicPartition
) -> tuple[int, OffsetAndMetadata | None]:
    """Return an error code, and the committed offset with its metadata; None on an error or if nothing is committed."""
    coordinator = consumer._coordinator  # noqa: SLF001
    response = await coordinator._send_req(StableOffsetFetchRequest(coordinator.group_id, partition))  # noqa: SLF001
    if response.error_code != NO_ERROR:
        return int(response.error_code), None
    _, offset, _, metadata, code, _ = response.topics[0][1][0]
    return int(code), OffsetAndMetadata(offset, metadata or "") if code == NO_ERROR and offset >= 0 else None

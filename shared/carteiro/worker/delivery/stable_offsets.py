"""`OffsetFetch` that waits for transactions to end (KIP-447), which aiokafka's versions of the request do not support.

A transaction's offset commit may become visible a while after the transaction has ended. A lane that took ownership in
between would read an older ledger, and publish the same outcomes as the transaction.
"""

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from carteiro.worker.delivery.broker_requests import StableOffsetFetchRequest

NO_ERROR, COORDINATOR_LOADING, COORDINATOR_UNAVAILABLE, NOT_COORDINATOR, UNSTABLE_OFFSET_COMMIT = 0, 14, 15, 16, 88
"""Error codes of the Kafka protocol that are handled here."""


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

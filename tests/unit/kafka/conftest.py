"""A producer that is not connected."""

from collections.abc import AsyncIterator

import pytest
from aiokafka.structs import PartitionMetadata

from carteiro.kafka.bounded_producer import BoundedProducer


@pytest.fixture
async def producer(request: pytest.FixtureRequest) -> AsyncIterator[BoundedProducer]:
    """A producer with the default compression, or with that of the test's parameter."""
    compression = getattr(request, "param", None)
    options = {"compression": compression} if compression else {}
    producer = BoundedProducer(
        bootstrap_servers="localhost:1", max_produce_bytes=100_000, enable_idempotence=True, **options
    )
    producer._txn_manager.set_pid_and_epoch(1, 0)
    producer.client.cluster._partitions["t"] = {
        number: PartitionMetadata("t", number, 1, [1], [1], None) for number in range(8)
    }
    yield producer
    producer._closed = True

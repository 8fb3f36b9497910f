"""A committed offset is read only once no transaction is committing it."""

import pytest
from aiokafka.structs import OffsetAndMetadata

from carteiro.worker.delivery.stable_offsets import (
    NO_ERROR,
    NOT_COORDINATOR,
    UNSTABLE_OFFSET_COMMIT,
    fetch_stable_offset,
)
from tests.unit.wire.record_batches.batch_builder import PARTITION
from tests.unit.worker.delivery.fake_consumer import FakeConsumer
from tests.unit.worker.delivery.fake_kafka import FakeKafka, Transaction


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka()


async def fetch(consumer: FakeConsumer) -> tuple[int, OffsetAndMetadata | None]:
    return await fetch_stable_offset(consumer, PARTITION)  # type: ignore[arg-type]


async def test_committed_offset_has_its_metadata(kafka: FakeKafka) -> None:
    assert await fetch(FakeConsumer(kafka)) == (NO_ERROR, None)
    kafka.commits[PARTITION] = OffsetAndMetadata(4, "ledger")
    assert await fetch(FakeConsumer(kafka)) == (NO_ERROR, OffsetAndMetadata(4, "ledger"))


async def test_offset_in_an_open_transaction_is_unstable(kafka: FakeKafka) -> None:
    kafka.commits[PARTITION] = OffsetAndMetadata(4, "")
    producer = kafka.producers["id"] = kafka.create_producer({}, "id")
    producer.transaction = Transaction(offsets={PARTITION: OffsetAndMetadata(5, "")})
    assert await fetch(FakeConsumer(kafka)) == (UNSTABLE_OFFSET_COMMIT, None)


async def test_error_of_the_coordinator_is_returned(kafka: FakeKafka) -> None:
    consumer = FakeConsumer(kafka)
    consumer._coordinator.offset_errors = [NOT_COORDINATOR]
    assert await fetch(consumer) == (NOT_COORDINATOR, None)

"""A broker that has ended a transaction without its marker: the next owner of the partition has it marked."""

import asyncio

import pytest
from aiokafka.structs import OffsetAndMetadata
from structlog.testing import capture_logs

from carteiro.worker.delivery import lost_markers
from carteiro.worker.delivery.lost_markers import TransactionEnd, find_lost_marker
from carteiro.worker.delivery.transactional import TransactionalDelivery
from tests.unit.wire.record_batches.batch_builder import PARTITION
from tests.unit.worker.delivery.fake_consumer import FakeConsumer
from tests.unit.worker.delivery.fake_kafka import FakeKafka, FakeTransactionalProducer
from tests.unit.worker.delivery.fake_lane import FakeContext

ID = f"g-{PARTITION.topic}-{PARTITION.partition}"


@pytest.fixture
def kafka() -> FakeKafka:
    kafka = FakeKafka()
    kafka.commits[PARTITION] = OffsetAndMetadata(3, "")
    return kafka


async def run_unmarked_transaction(kafka: FakeKafka, *, commits: bool) -> FakeTransactionalProducer:
    """Run a transaction that commits offset 4, and whose marker the broker loses."""
    producer: FakeTransactionalProducer = kafka.create_producer({}, ID)
    await producer.start()
    await producer.begin_transaction()
    await producer.send_offsets_to_transaction({PARTITION: OffsetAndMetadata(4, "")}, "g")
    kafka.loses_markers = True
    await (producer.commit_transaction() if commits else producer.abort_transaction())
    kafka.loses_markers = False
    return producer


async def find(kafka: FakeKafka) -> TransactionEnd | None:
    return await find_lost_marker(FakeConsumer(kafka), PARTITION, ID)  # type: ignore[arg-type]


async def open_delivery(kafka: FakeKafka) -> None:
    delivery = TransactionalDelivery({}, FakeContext(), create_producer=kafka.create_producer)
    await delivery.open(FakeConsumer(kafka))  # type: ignore[arg-type]


@pytest.mark.parametrize(("commits", "offset"), [(True, 4), (False, 3)])
async def test_transaction_without_marker_gets_the_marker_of_its_end(
    kafka: FakeKafka, commits: bool, offset: int
) -> None:
    await run_unmarked_transaction(kafka, commits=commits)
    assert kafka.has_open_commit(PARTITION)
    with capture_logs() as logs:
        await open_delivery(kafka)
    assert not kafka.has_open_commit(PARTITION)
    assert kafka.commits[PARTITION].offset == offset
    assert [(each["log_level"], each["end"]) for each in logs] == [("warning", "COMMITTED" if commits else "ABORTED")]


async def test_no_transaction_is_run_if_no_marker_is_missing(kafka: FakeKafka) -> None:
    await open_delivery(kafka)
    assert kafka.producers[ID].transaction is None


async def test_transaction_whose_end_is_forgotten_is_aborted(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_markers, "_UNKNOWN_SECONDS", 0.0)
    await run_unmarked_transaction(kafka, commits=True)
    await kafka.create_producer({}, ID).start()
    assert await find(kafka) is TransactionEnd.ABORTED


async def test_marker_that_another_worker_writes_is_not_written_again(
    kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_unmarked_transaction(kafka, commits=True)
    await kafka.create_producer({}, ID).start()

    monkeypatch.setattr(lost_markers, "_POLL_SECONDS", 0.001)
    finding = asyncio.create_task(find(kafka))
    await asyncio.sleep(0)
    await kafka.producers[ID].begin_transaction()
    await kafka.producers[ID].commit_transaction()
    assert await finding is None
    assert kafka.commits[PARTITION].offset == 4


@pytest.mark.parametrize("known", [True, False])
async def test_open_transaction_is_left_to_the_new_producer(kafka: FakeKafka, known: bool) -> None:
    kafka.knows_transactions = known
    producer: FakeTransactionalProducer = kafka.create_producer({}, ID)
    await producer.start()
    await producer.begin_transaction()
    await producer.send_offsets_to_transaction({PARTITION: OffsetAndMetadata(4, "")}, "g")
    assert await find(kafka) is None

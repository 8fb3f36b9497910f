import asyncio

import pytest
from aiokafka.errors import ProducerFenced

from carteiro.ledger.ledger import Ledger
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.batch_api.fenced_publisher import FencedPublisher
from tests.unit.worker.batch_api.fake_delivery import FakeDelivery, FakeLane

RECORD = OutgoingRecord("llm.generate.batches", 3, b"key", b"value", ())


class Pauses:
    """A sleep that does not sleep. It counts the pauses, and calls `on_pause` at each."""

    def __init__(self) -> None:
        self.count, self.on_pause = 0, lambda: None

    async def __call__(self, seconds: float) -> None:
        assert seconds > 0
        self.count += 1
        self.on_pause()
        await asyncio.sleep(0)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def publisher(pauses: Pauses) -> FencedPublisher:
    return FencedPublisher("llm.generate.batches", 3, sleep=pauses)


async def test_record_goes_to_the_partition_by_the_delivery_of_its_lane(
    publisher: FencedPublisher, pauses: Pauses
) -> None:
    delivery = FakeDelivery()
    publisher.attach(delivery.interface, FakeLane().interface)
    await publisher.publish(b"key", b"value")
    assert delivery.published == [RECORD]
    assert pauses.count == 0


async def test_failed_write_restarts_the_delivery_and_is_repeated_by_the_next(publisher: FencedPublisher) -> None:
    first, second = FakeDelivery(OSError("broken")), FakeDelivery()
    lane = FakeLane(deliveries=[second])
    lane.attach = publisher.attach
    publisher.attach(first.interface, lane.interface)
    await publisher.publish(b"key", b"value")
    assert (first.published, second.published, lane.restarts) == ([], [RECORD], 1)


async def test_worker_that_lost_the_partition_never_gets_past_the_write(
    publisher: FencedPublisher, pauses: Pauses
) -> None:
    fenced = FakeDelivery(*[ProducerFenced()] * 1000)
    lane = FakeLane()
    publisher.attach(fenced.interface, lane.interface)
    pauses.on_pause = lambda: setattr(lane, "is_open", pauses.count % 2 == 0)
    writing = asyncio.create_task(publisher.publish(b"key", b"value"))
    while pauses.count < 50:
        await asyncio.sleep(0)
    assert not writing.done()
    assert fenced.published == []
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


async def test_lane_that_is_not_open_writes_nothing(publisher: FencedPublisher, pauses: Pauses) -> None:
    delivery, lane = FakeDelivery(), FakeLane()
    lane.is_open = False
    publisher.attach(delivery.interface, lane.interface)

    def reopen_at_third() -> None:
        assert delivery.published == []
        lane.is_open = pauses.count == 3

    pauses.on_pause = reopen_at_third
    await publisher.publish(b"key", None)
    assert [record.value for record in delivery.published] == [None]
    assert pauses.count == 3


async def test_write_waits_for_the_first_delivery(publisher: FencedPublisher, pauses: Pauses) -> None:
    delivery = FakeDelivery()
    pauses.on_pause = lambda: publisher.attach(delivery.interface, FakeLane().interface)
    await publisher.publish(b"key", b"value")
    assert delivery.published == [RECORD]


async def test_delivery_that_another_write_has_replaced_is_not_restarted_again(publisher: FencedPublisher) -> None:
    first, second, lane = FakeDelivery(OSError("broken")), FakeDelivery(), FakeLane()
    publisher.attach(first.interface, lane.interface)
    first.on_publish = lambda: publisher.attach(second.interface, lane.interface)
    await publisher.publish(b"key", b"value")
    assert second.published == [RECORD]
    assert lane.restarts == 0


async def test_cancellation_does_not_interrupt_a_write(publisher: FencedPublisher) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    class SlowDelivery(FakeDelivery):
        async def publish(self, record: OutgoingRecord) -> None:
            started.set()
            await go_on.wait()
            await super().publish(record)

    delivery = SlowDelivery()
    publisher.attach(delivery.interface, FakeLane().interface)
    writing = asyncio.create_task(publisher.publish(b"key", b"value"))
    await started.wait()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    go_on.set()
    while not delivery.published:
        await asyncio.sleep(0)
    assert delivery.published == [RECORD]


def test_request_is_finished_once_its_lane_says_so(publisher: FencedPublisher) -> None:
    assert not publisher.is_finished(0)
    lane = FakeLane()
    lane.ledger = Ledger(2, [1])
    publisher.attach(FakeDelivery().interface, lane.interface)
    assert [publisher.is_finished(offset) for offset in (0, 1)] == [True, False]

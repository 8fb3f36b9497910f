"""Both deliveries keep the promises of the protocol."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka.errors import MessageSizeTooLargeError, RequestTimedOutError

from carteiro.worker.delivery.acknowledged import AcknowledgedDelivery, OffsetCommitter
from carteiro.worker.delivery.interface import CustomTopicsUnavailable, Delivery, DeliveryTimeout
from carteiro.worker.delivery.transactional import TransactionalDelivery
from tests.conftest import eventually
from tests.unit.wire.record_batches.batch_builder import PARTITION
from tests.unit.worker.delivery.fake_consumer import FakeConsumer
from tests.unit.worker.delivery.fake_kafka import FakeKafka, FakeProducer
from tests.unit.worker.delivery.fake_lane import REPLIES, FakeContext, FakeOutcome, reply


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka()


@pytest.fixture
def context() -> FakeContext:
    return FakeContext(admitted=4)


@pytest.fixture(params=[TransactionalDelivery, AcknowledgedDelivery])
async def delivery(request: pytest.FixtureRequest, kafka: FakeKafka, context: FakeContext) -> AsyncIterator[Delivery]:
    if request.param is TransactionalDelivery:
        delivery = TransactionalDelivery({}, context, create_producer=kafka.create_producer)
        await delivery.open(FakeConsumer(kafka))  # type: ignore[arg-type]
        yield delivery
        return
    committer = OffsetCommitter()
    running = asyncio.create_task(committer.run(FakeConsumer(kafka)))  # type: ignore[arg-type]
    yield AcknowledgedDelivery(FakeProducer(kafka), committer, context)  # type: ignore[arg-type]
    running.cancel()


async def test_outcomes_are_published_acknowledged_and_committed_once(
    delivery: Delivery, kafka: FakeKafka, context: FakeContext
) -> None:
    outcomes = {offset: FakeOutcome(b"%d" % offset) for offset in (0, 1, 3)}
    await delivery.deliver(outcomes)
    await eventually(lambda: PARTITION in kafka.commits and kafka.commits[PARTITION].offset == 2)
    assert sorted(kafka.values(REPLIES), key=str) == [b"0", b"1", b"3"]
    assert sorted(context.acknowledged) == [0, 1, 3]
    assert [each.acknowledged for each in outcomes.values()] == [1, 1, 1]


async def test_last_replacement_of_a_rejected_outcome_is_published_and_acknowledged(
    delivery: Delivery, kafka: FakeKafka, context: FakeContext
) -> None:
    kafka.rejection = lambda record: MessageSizeTooLargeError() if record.value == b"large" else None
    rejected = FakeOutcome(b"large", fallback=b"small")
    await delivery.deliver({0: rejected, 1: FakeOutcome(b"1")})
    await eventually(lambda: len(context.acknowledged) == 2)
    assert set(kafka.values(REPLIES)) == {b"small", b"1"}
    assert (rejected.acknowledged, context.replaced[0].acknowledged) == (0, 1)


async def test_published_record_finishes_no_request(delivery: Delivery, kafka: FakeKafka, context: FakeContext) -> None:
    await delivery.publish(reply(b"state", "batches"))
    assert kafka.values("batches") == [b"state"]
    assert context.acknowledged == []
    kafka.errors["write"] = [RequestTimedOutError()]
    with pytest.raises(RequestTimedOutError):
        await delivery.publish(reply(b"state", "batches"))


async def test_close_never_raises(delivery: Delivery) -> None:
    await delivery.close()
    await delivery.close()


def test_unavailable_topics_are_a_timeout_of_some_outcomes() -> None:
    error = CustomTopicsUnavailable({3: TimeoutError()})
    assert isinstance(error, DeliveryTimeout)
    assert isinstance(error, TimeoutError)
    assert list(error.custom_topic_errors) == [3]

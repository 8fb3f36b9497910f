"""A whole lane on transactions, over a cluster in memory: kills, former owners that go on, steps that fail."""

import pytest
from aiokafka.errors import ProducerFenced, RequestTimedOutError, UnknownError
from hypothesis import given, settings
from hypothesis import strategies as st

from carteiro.worker.delivery.lane import Lane
from tests.conftest import eventually
from tests.unit.wire.record_batches.batch_builder import PARTITION
from tests.unit.worker.delivery.fake_consumer import FakeConsumer
from tests.unit.worker.delivery.fake_kafka import FakeKafka, Step
from tests.unit.worker.delivery.fake_lane import REPLIES, FakeHandler, start_lane

REQUESTS = [b"%d" % number for number in range(10)]


def all_answered(kafka: FakeKafka) -> bool:
    return PARTITION in kafka.commits and kafka.commits[PARTITION].offset == len(kafka.requests)


@pytest.fixture
def busy() -> FakeKafka:
    """A cluster with requests in the partition."""
    kafka = FakeKafka()
    kafka.requests = [(None, value) for value in REQUESTS]
    return kafka


async def lane_that_hangs(kafka: FakeKafka, step: Step) -> tuple[Lane, FakeConsumer]:
    """Return a lane that hangs at a step of its first transaction with replies."""
    handler = FakeHandler(kafka)
    handler.gate.clear()
    lane, consumer = start_lane(kafka, handler)
    await eventually(lambda: handler.started)
    kafka.hangs.add(step)
    handler.gate.set()
    await kafka.hung.wait()
    return lane, consumer


@pytest.mark.parametrize("step", ["dispatch", "write", "offsets", "commit", "committed"])
async def test_requests_are_answered_once_after_a_kill_during_a_transaction(busy: FakeKafka, step: Step) -> None:
    lane, _ = await lane_that_hangs(busy, step)
    await lane.close()  # the transaction is neither committed nor aborted, as after a kill
    visible = busy.values(REPLIES)
    busy.release()
    survivor = FakeHandler(busy)
    lane, _ = start_lane(busy, survivor)
    await eventually(lambda: all_answered(busy))
    await lane.close()
    assert sorted(busy.values(REPLIES), key=lambda value: int(value or b"")) == REQUESTS
    assert sorted(survivor.calls.elements(), key=lambda value: int(value or b"")) == [
        each for each in REQUESTS if each not in visible
    ]


@pytest.mark.parametrize("step", ["begin", "write", "offsets", "commit"])
async def test_requests_are_answered_once_although_the_former_owner_goes_on(busy: FakeKafka, step: Step) -> None:
    zombie, consumer = await lane_that_hangs(busy, step)
    consumer._coordinator.is_member = False
    busy.hangs.clear()  # only the former owner still hangs
    owner, _ = start_lane(busy, FakeHandler(busy))
    await eventually(lambda: owner.delivery_loop.is_open)
    busy.release()
    await eventually(lambda: all_answered(busy))
    assert sorted(busy.values(REPLIES), key=lambda value: int(value or b"")) == REQUESTS
    await eventually(lambda: not zombie.delivery_loop.is_open)
    await zombie.close()
    await owner.close()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["start", "begin", "dispatch", "write", "offsets", "commit", "committed"]),
            st.sampled_from([RequestTimedOutError, ProducerFenced, UnknownError, TimeoutError]),
        ),
        max_size=8,
    ),
    st.integers(1, 6),
)
@settings(max_examples=40)
async def test_requests_are_called_and_answered_once_whatever_step_fails(
    failures: list[tuple[Step, type[Exception]]], max_in_flight: int
) -> None:
    kafka = FakeKafka()
    kafka.requests = [(None, value) for value in REQUESTS]
    for step, error in failures:
        kafka.errors[step].append(error())
    handler = FakeHandler(kafka, max_in_flight)
    lane, _ = start_lane(kafka, handler)
    await eventually(lambda: all_answered(kafka))
    await lane.close()
    assert sorted(kafka.values(REPLIES), key=lambda value: int(value or b"")) == REQUESTS
    assert sorted(handler.calls.elements(), key=lambda value: int(value or b"")) == REQUESTS

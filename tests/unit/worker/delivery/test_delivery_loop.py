"""A lane's outcomes are delivered, by a new delivery after every failure."""

import asyncio
import contextlib
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from aiokafka.errors import ProducerFenced, RequestTimedOutError

from carteiro.worker.delivery.delivery_loop import DeliveryLoop
from carteiro.worker.delivery.lane_state import LaneState
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.delivery.partition_state import PartitionState
from carteiro.worker.delivery.progress import Progress
from carteiro.worker.delivery.transactional import TransactionalDelivery
from carteiro.worker.delivery.unconfirmed_outcomes import UnconfirmedOutcomes
from tests.conftest import eventually
from tests.unit.wire.record_batches.batch_builder import PARTITION
from tests.unit.worker.delivery.fake_kafka import FakeKafka
from tests.unit.worker.delivery.fake_lane import REPLIES, FakeHandler, FakeOutcome, start_lane

pytestmark = pytest.mark.asyncio(loop_scope="function")


@pytest.fixture
def kafka() -> FakeKafka:
    kafka = FakeKafka()
    kafka.requests = [(None, b"0"), (None, b"1")]
    return kafka


@pytest.fixture
def handler(kafka: FakeKafka) -> FakeHandler:
    return FakeHandler(kafka)


def all_committed(kafka: FakeKafka) -> bool:
    return PARTITION in kafka.commits and kafka.commits[PARTITION].offset == len(kafka.requests)


@pytest.mark.parametrize(("max_per_transaction", "max_in_flight"), [(3, 64), (1000, 3)])
async def test_deliveries_leave_out_outcomes_beyond_a_limit(max_per_transaction: int, max_in_flight: int) -> None:
    delivered: list[list[int]] = []

    async def deliver(outcomes: Mapping[int, Outcome]) -> None:
        delivered.append(list(outcomes))

    unconfirmed = UnconfirmedOutcomes()
    handler: Any = SimpleNamespace(
        group="g",
        reply_topics=(),
        max_per_transaction=max_per_transaction,
        max_in_flight=max_in_flight,
        create_delivery=lambda _: SimpleNamespace(deliver=deliver),
    )
    loop = DeliveryLoop(Mock(), handler, PartitionState(), unconfirmed, Progress(), Mock(), Mock())
    for offset in range(7):
        unconfirmed.put(offset, FakeOutcome(b""))
    delivering = asyncio.create_task(loop.deliver())
    await asyncio.sleep(0)
    delivering.cancel()
    assert delivered == [[0, 1, 2], [3, 4, 5], [6]]


async def test_failed_delivery_is_closed_and_the_next_one_gets_its_outcomes(
    kafka: FakeKafka, handler: FakeHandler
) -> None:
    handler.gate.clear()
    lane, _ = start_lane(kafka, handler)
    await eventually(lambda: len(handler.started) == 2)
    (first,) = kafka.producers.values()
    kafka.errors["commit"] = [RequestTimedOutError()]
    handler.gate.set()
    await eventually(lambda: all_committed(kafka))
    assert first.stopped
    assert first.fenced
    assert sorted(kafka.values(REPLIES), key=str) == [b"0", b"1"]
    assert handler.calls.total() == 2, "what was finished is not served again"
    await lane.close()


@pytest.mark.parametrize(("method", "fails"), [("open", False), ("open", True), ("deliver", False), ("deliver", True)])
async def test_lane_stops_even_if_its_delivery_drops_the_cancellation(
    kafka: FakeKafka, handler: FakeHandler, monkeypatch: pytest.MonkeyPatch, method: str, fails: bool
) -> None:
    waiting, dropped = asyncio.Event(), asyncio.Event()

    async def drop_cancellation(*_: Any) -> None:
        waiting.set()
        with contextlib.suppress(asyncio.CancelledError):
            await dropped.wait()
        dropped.set()
        if fails:
            raise RequestTimedOutError

    monkeypatch.setattr(TransactionalDelivery, method, drop_cancellation)
    lane, _ = start_lane(kafka, handler)
    await waiting.wait()
    async with asyncio.timeout(10):
        await lane.suspend()
    assert lane.state is LaneState.SUSPENDED
    await lane.close()


async def test_running_requests_go_on_while_the_delivery_is_restarted(kafka: FakeKafka, handler: FakeHandler) -> None:
    handler.gate.clear()
    lane, _ = start_lane(kafka, handler)
    await eventually(lambda: len(handler.started) == 2)
    kafka.hangs.add("start")
    lane.delivery_loop.restart_delivery()
    assert (lane.state, lane.delivery_loop.is_open) == (LaneState.RECOVERING, False)
    handler.gate.set()
    await eventually(lambda: len(lane._runner.offsets) == 2 and not lane._runner._tasks)
    kafka.release()
    await eventually(lambda: all_committed(kafka))
    assert lane.state is LaneState.SERVING
    await lane.close()


async def test_fenced_delivery_reopens_only_as_a_member_of_the_group(kafka: FakeKafka, handler: FakeHandler) -> None:
    handler.gate.clear()
    lane, consumer = start_lane(kafka, handler)
    await eventually(lambda: handler.started)
    consumer._coordinator.is_member = False
    kafka.errors["commit"] = [ProducerFenced()]
    handler.gate.set()
    await eventually(lambda: not lane.delivery_loop.is_open)
    opened = len(kafka.created)
    await asyncio.sleep(0.05)
    assert len(kafka.created) == opened
    consumer._coordinator.is_member = True
    await eventually(lambda: all_committed(kafka))
    await lane.close()


async def test_stopped_loop_leaves_no_task_and_no_open_delivery(kafka: FakeKafka, handler: FakeHandler) -> None:
    before = asyncio.all_tasks()
    lane, _ = start_lane(kafka, handler)
    await eventually(lambda: all_committed(kafka))
    await lane.delivery_loop.stop()
    (producer,) = kafka.producers.values()
    assert producer.stopped
    assert (lane.delivery_loop.is_open, lane.delivery_loop.is_running) == (False, False)
    assert not asyncio.all_tasks() - before


async def test_commit_is_tried_again_until_a_delivery_takes_it(kafka: FakeKafka, handler: FakeHandler) -> None:
    lane, _ = start_lane(kafka, handler)
    await eventually(lambda: all_committed(kafka))
    commits = len(kafka.commit_history)
    kafka.errors["begin"] = [RequestTimedOutError()]
    committing = asyncio.create_task(lane.delivery_loop.commit_with_retry())
    await eventually(lambda: not kafka.errors["begin"])
    lane.delivery_loop.restart_delivery()  # as a failure of the delivery itself does
    await committing
    assert len(kafka.commit_history) >= commits + 2
    await lane.close()


async def test_outcome_counts_once_although_it_is_acknowledged_twice(kafka: FakeKafka, handler: FakeHandler) -> None:
    lane, _ = start_lane(kafka, handler)
    await eventually(lambda: lane.delivery_loop.is_open)
    kafka.hangs.add("begin")
    outcome = FakeOutcome(b"x")
    lane.ledger.admit(7)
    lane.delivery_loop._unconfirmed.put(7, outcome)
    assert lane.delivery_loop.on_acknowledged(7, outcome)
    assert not lane.delivery_loop.on_acknowledged(7, outcome)
    assert (outcome.acknowledged, lane.ledger.is_finished(7)) == (1, True)
    await lane.close()


async def test_loop_is_stalled_only_with_work_that_does_not_move(kafka: FakeKafka, handler: FakeHandler) -> None:
    lane, _ = start_lane(kafka, handler)
    loop, far_future = lane.delivery_loop, 1e12
    assert loop.is_stalled(far_future), "it does not open"
    await eventually(lambda: all_committed(kafka) and not lane._runner.in_flight)
    assert not loop.is_stalled(far_future), "it has no work"
    kafka.hangs.add("begin")
    loop._unconfirmed.put(7, FakeOutcome(b"x"))
    assert loop.is_stalled(far_future), "an outcome is not confirmed"
    assert not loop.is_stalled(0)
    await lane.close()
    assert not loop.is_stalled(far_future)

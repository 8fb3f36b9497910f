"""The life of a lane: its state follows the events of its partition, and each request is served once."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from carteiro.worker.delivery import request_runner
from carteiro.worker.delivery.exclusive_gate import ExclusiveGate
from carteiro.worker.delivery.lane import Lane
from carteiro.worker.delivery.lane_state import TRANSITIONS, LaneState
from carteiro.worker.delivery.partition_handler import PartitionHandler
from tests.conftest import eventually
from tests.unit.worker.delivery.fake_kafka import FakeKafka
from tests.unit.worker.delivery.fake_lane import REPLIES, FakeHandler, start_lane

# In a loop of their own: tests that count tasks see no task of another test.
pytestmark = pytest.mark.asyncio(loop_scope="function")


def make_lane(delivery: Mock) -> Lane:
    handler = Mock(
        spec=PartitionHandler,
        group="g",
        max_in_flight=8,
        max_per_transaction=3,
        by_key=False,
        exclusive_gate=ExclusiveGate(),
    )
    handler.create_delivery.return_value = delivery
    return Lane(TopicPartition("t", 0), Mock(), handler)


@pytest.fixture
def lane() -> Lane:
    return make_lane(Mock(close=AsyncMock(), open=asyncio.Event().wait, transactional=False))


@pytest.mark.parametrize("event", [Lane.suspend, lambda lane: lane.revoke(0), Lane.close])
async def test_closed_lane_stays_closed_while_its_replacement_is_made(lane: Lane, event: Any) -> None:
    await lane.close()
    await event(lane)
    lane.on_assigned()
    assert lane.state is LaneState.CLOSED
    assert not lane.delivery_loop.is_running


@pytest.mark.parametrize("state", [LaneState.OPENING, LaneState.RECOVERING, LaneState.SERVING, LaneState.DRAINING])
async def test_second_assignment_opens_the_partition_again_in_one_task(lane: Lane, state: LaneState) -> None:
    before = asyncio.all_tasks()
    lane.on_assigned()
    await asyncio.sleep(0)
    lane.state = state
    lane.on_assigned()
    assert lane.state is LaneState.OPENING
    await eventually(lambda: len(asyncio.all_tasks() - before) == 1)
    await lane.close()
    assert not asyncio.all_tasks() - before


@pytest.mark.parametrize(
    ("state", "expected"), [(LaneState.SERVING, LaneState.RECOVERING), (LaneState.DRAINING, LaneState.DRAINING)]
)
async def test_no_request_starts_while_the_delivery_is_restarted(
    lane: Lane, state: LaneState, expected: LaneState
) -> None:
    lane.state = state
    lane.delivery_loop.restart_delivery()
    assert lane.state is expected
    assert not lane.state.starts
    lane.on_delivery_open()
    assert lane.state is (LaneState.SERVING if expected is LaneState.RECOVERING else LaneState.DRAINING)


async def test_requests_start_a_few_at_a_time_until_all_have_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_runner, "_MAX_STARTS", 2)
    kafka = FakeKafka()
    kafka.requests = [(None, b"%d" % number) for number in range(8)]
    handler = FakeHandler(kafka, max_in_flight=8)
    handler.gate.clear()
    lane, _ = start_lane(kafka, handler)
    started = [0]

    def all_started() -> bool:
        started.append(len(handler.started))
        return started[-1] == 8

    while not all_started():
        await asyncio.sleep(0)
    assert max(after - before for before, after in pairwise(started)) == 2
    await lane.close()


class RecordingLane(Lane):
    """A lane that records its transitions, and those that it tries in vain."""

    def _set_state(self, state: LaneState) -> None:
        if state is not self.state:
            TRIED.append((self.state, state))
        super()._set_state(state)


TRIED: list[tuple[LaneState, LaneState]] = []
ALLOWED = {(state, target) for state, targets in TRANSITIONS.items() for target in targets}


@pytest.fixture(autouse=True)
def no_transitions() -> None:
    TRIED.clear()


async def serve(_lane: Lane, _kafka: FakeKafka) -> None: ...


async def recover(lane: Lane, kafka: FakeKafka) -> None:
    kafka.hung.clear()
    kafka.hangs.add("start")
    lane.delivery_loop.restart_delivery()
    await kafka.hung.wait()


async def drain(lane: Lane, kafka: FakeKafka) -> Any:
    kafka.hangs.add("commit")
    revoking = asyncio.ensure_future(lane.revoke(60))
    await eventually(lambda: lane.state is LaneState.DRAINING)
    return revoking


@pytest.mark.parametrize("before", [serve, recover, drain])
@pytest.mark.parametrize(
    "event", [Lane.suspend, Lane.close, lambda lane: lane.revoke(0)], ids=["suspend", "close", "revoke"]
)
async def test_lane_makes_only_transitions_of_the_table(
    before: Callable[[Lane, FakeKafka], Awaitable[Any]], event: Any
) -> None:
    kafka = FakeKafka()
    lane, _ = start_lane(kafka, FakeHandler(kafka), RecordingLane)
    await eventually(lambda: lane.state is LaneState.SERVING)
    pending = await before(lane, kafka)
    kafka.release()
    await event(lane)
    if pending is not None:
        await pending
    await lane.close()
    assert set(TRIED) <= ALLOWED
    assert lane.state is LaneState.CLOSED


EVENTS: dict[str, Callable[[Lane], Any]] = {
    "assign": Lane.on_assigned,
    "restart": lambda lane: lane.delivery_loop.restart_delivery(),
    "out of range": Lane.on_offset_out_of_range,
    "revoke": lambda lane: lane.revoke(0.01),
    "release": lambda lane: lane.release_to_duplicate(0.01),
    "suspend": Lane.suspend,
    "step": lambda _: asyncio.sleep(0),
    "open": lambda lane: asyncio.sleep(0.01),
}


@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=12), st.integers(1, 4))
@settings(max_examples=40)
async def test_requests_are_served_and_answered_once_whatever_happens_to_the_partition(
    events: list[str], max_in_flight: int
) -> None:
    kafka = FakeKafka()
    kafka.requests = [(None, b"%d" % number) for number in range(8)]
    handler = FakeHandler(kafka, max_in_flight)
    lane, _ = start_lane(kafka, handler, RecordingLane)
    for event in events:
        happened = EVENTS[event](lane)
        if happened is not None:
            await happened
    lane.on_assigned()
    await eventually(lambda: lane.ledger.committable == 8)
    await lane.close()
    assert sorted(kafka.values(REPLIES), key=str) == [value for _, value in kafka.requests]
    assert sorted(handler.calls.elements(), key=str) == [value for _, value in kafka.requests]
    assert set(TRIED) <= ALLOWED

"""A released partition: its requests finish and are committed, and the next owner finds no crash."""

import asyncio

import pytest
from aiokafka.errors import RequestTimedOutError
from structlog.testing import capture_logs

from carteiro.ledger.crash_tracker import LEAVING_FLAG
from carteiro.worker.delivery.commit_validation import owner_of
from carteiro.worker.delivery.lane import Lane
from carteiro.worker.delivery.lane_state import LaneState
from carteiro.worker.delivery.partition_takeover import OWNER_ID
from tests.conftest import eventually
from tests.unit.wire.record_batches.batch_builder import PARTITION
from tests.unit.worker.delivery.fake_kafka import FakeKafka
from tests.unit.worker.delivery.fake_lane import REPLIES, FakeHandler, start_lane


@pytest.fixture
def kafka() -> FakeKafka:
    kafka = FakeKafka()
    kafka.requests = [(None, b"%d" % number) for number in range(10)]
    return kafka


@pytest.fixture
def handler(kafka: FakeKafka) -> FakeHandler:
    handler = FakeHandler(kafka, max_in_flight=3)
    handler.gate.clear()
    return handler


@pytest.fixture
async def lane(kafka: FakeKafka, handler: FakeHandler) -> Lane:
    """A lane with three running requests."""
    lane, _ = start_lane(kafka, handler)
    await eventually(lambda: len(handler.started) == 3)
    return lane


async def test_running_requests_finish_and_are_committed_and_none_starts(
    kafka: FakeKafka, handler: FakeHandler, lane: Lane
) -> None:
    revoking = asyncio.create_task(lane.revoke(60))
    await asyncio.sleep(0.01)
    assert lane.state is LaneState.DRAINING
    handler.gate.set()
    await revoking
    assert handler.started == [0, 1, 2]
    assert kafka.values(REPLIES) == [b"0", b"1", b"2"]
    assert (kafka.commits[PARTITION].offset, owner_of(kafka.commits[PARTITION])) == (3, 0)
    assert lane.state is LaneState.SUSPENDED
    await lane.close()


async def test_partition_is_released_in_time_although_requests_still_run(kafka: FakeKafka, lane: Lane) -> None:
    with capture_logs() as logs:
        await lane.revoke(0.01)
    assert [each["in_flight"] for each in logs if "in_flight" in each] == [3]
    assert (kafka.commits[PARTITION].offset, owner_of(kafka.commits[PARTITION])) == (0, 0)
    await lane.close()


async def test_requests_that_wait_for_a_model_are_not_reported_as_unfinished(handler: FakeHandler, lane: Lane) -> None:
    handler.accepting = False
    with capture_logs() as logs:
        await lane.revoke(0.01)
    assert not [each for each in logs if "in_flight" in each]
    await lane.close()


async def test_partition_is_released_without_a_commit_if_the_commit_fails(kafka: FakeKafka, lane: Lane) -> None:
    kafka.errors["commit"] = [RequestTimedOutError()]
    with capture_logs() as logs:
        await lane.revoke(0.01)
    assert any("could not commit" in each["event"] for each in logs)
    assert lane.state is LaneState.SUSPENDED
    assert owner_of(kafka.commits[PARTITION]) == OWNER_ID
    await lane.close()


async def test_duplicate_member_is_told_to_wait_and_then_that_the_partition_is_free(
    kafka: FakeKafka, handler: FakeHandler, lane: Lane
) -> None:
    handler.gate.set()
    await lane.release_to_duplicate(60)
    owners = [owner_of(each) for each in kafka.commit_history]
    assert OWNER_ID | LEAVING_FLAG in owners
    assert owners[-1] == 0
    assert lane.state is LaneState.SUSPENDED
    await lane.close()


async def test_lane_is_suspended_if_the_duplicate_member_cannot_be_told(
    kafka: FakeKafka, handler: FakeHandler, lane: Lane
) -> None:
    kafka.errors["commit"] = [RequestTimedOutError()]
    await lane.release_to_duplicate(60)
    assert [owner_of(each) for each in kafka.commit_history] == [OWNER_ID]
    assert lane.state is LaneState.SUSPENDED
    assert lane._runner.in_flight == 3, "running requests go on"
    await lane.close()


async def test_duplicate_member_is_not_told_without_transactions(kafka: FakeKafka, lane: Lane) -> None:
    lane.delivery_loop._delivery.transactional = False
    assert not await lane._release.announce()
    assert [owner_of(each) for each in kafka.commit_history] == [OWNER_ID]
    await lane.close()

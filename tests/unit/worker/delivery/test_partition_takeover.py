"""A lane opens its partition: earlier owners are fenced off, finished requests are skipped, ownership is committed."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from carteiro.ledger.ledger import Ledger
from carteiro.worker.delivery.commit_validation import owner_of
from carteiro.worker.delivery.lane import Lane
from carteiro.worker.delivery.lane_state import LaneState
from carteiro.worker.delivery.partition_state import PartitionState
from carteiro.worker.delivery.partition_takeover import OWNER_ID
from tests.conftest import eventually
from tests.unit.wire.record_batches.batch_builder import PARTITION
from tests.unit.worker.delivery.fake_kafka import FakeKafka, Status
from tests.unit.worker.delivery.fake_lane import FakeHandler, start_lane


@pytest.fixture
def kafka() -> FakeKafka:
    kafka = FakeKafka()
    kafka.requests = [(None, b"%d" % number) for number in range(6)]
    return kafka


@pytest.fixture
def handler(kafka: FakeKafka) -> FakeHandler:
    return FakeHandler(kafka)


def commit(kafka: FakeKafka, ledger: Ledger, owner: int = 0) -> None:
    """Commit a ledger, as an owner of the current topic does."""
    state = PartitionState()
    state.crash_tracker.owner = owner
    kafka.commits[PARTITION] = state.offset_and_metadata(ledger, 4096)


async def served(lane: Lane, kafka: FakeKafka) -> None:
    """Return once all requests are finished and committed."""
    await eventually(lambda: PARTITION in kafka.commits and kafka.commits[PARTITION].offset == len(kafka.requests))
    await lane.close()


async def test_finished_requests_are_not_served_again(kafka: FakeKafka, handler: FakeHandler) -> None:
    commit(kafka, Ledger(5, [1, 3]))
    lane, _ = start_lane(kafka, handler)
    await served(lane, kafka)
    assert sorted(handler.started) == [1, 3, 5]


async def test_ownership_is_committed_before_a_request_starts(kafka: FakeKafka, handler: FakeHandler) -> None:
    kafka.hangs.add("offsets")
    lane, _ = start_lane(kafka, handler)
    await kafka.hung.wait()
    assert handler.started == []
    kafka.release()
    await eventually(lambda: handler.started)
    assert owner_of(kafka.commit_history[0]) == OWNER_ID
    await lane.close()


async def test_open_transaction_of_the_former_owner_is_aborted_before_its_commit_is_read(
    kafka: FakeKafka, handler: FakeHandler
) -> None:
    former, _ = start_lane(kafka, FakeHandler(kafka))
    kafka.hangs.add("commit")
    await kafka.hung.wait()
    (producer,) = kafka.producers.values()
    await former.close()
    assert producer.transaction is not None
    assert producer.transaction.status is Status.OPEN
    kafka.release()
    lane, _ = start_lane(kafka, handler)
    await served(lane, kafka)
    assert producer.transaction.status is Status.ABORTED


@pytest.mark.parametrize("resumable", [False, True])
async def test_requests_of_a_crashed_owner_get_a_crash_mark_unless_the_handler_resumes_them(
    kafka: FakeKafka, handler: FakeHandler, resumable: bool
) -> None:
    handler.resumable = resumable
    commit(kafka, Ledger(2, [1]), owner=OWNER_ID ^ 1)
    handler.gate.clear()
    with capture_logs() as logs:
        lane, _ = start_lane(kafka, handler)
        await eventually(lambda: handler.started)
    assert bool(lane._partition_state.crash_tracker.crash_marks) is not resumable
    assert any("owner died" in each["event"] for each in logs) is not resumable
    await lane.close()


async def test_snapshot_adds_finished_requests_to_the_commit(kafka: FakeKafka, handler: FakeHandler) -> None:
    commit(kafka, Ledger(1))

    async def on_assigned(_partition: int) -> Ledger:
        return Ledger(5, [3])

    handler.on_assigned = on_assigned  # type: ignore[method-assign]
    lane, _ = start_lane(kafka, handler)
    await served(lane, kafka)
    assert sorted(handler.started) == [3, 5]


async def test_requests_that_retention_has_deleted_are_logged_and_skipped(
    kafka: FakeKafka, handler: FakeHandler
) -> None:
    commit(kafka, Ledger(1))
    kafka.log_start = 4
    with capture_logs() as logs:
        lane, _ = start_lane(kafka, handler)
        await served(lane, kafka)
    assert sorted(handler.started) == [4, 5]
    assert [each["requests"] for each in logs if "requests" in each] == [3]


async def test_handler_prepares_only_if_ownership_is_taken(kafka: FakeKafka, handler: FakeHandler) -> None:
    prepared: list[int] = []

    async def on_assigned(partition: int) -> None:
        prepared.append(partition)

    handler.on_assigned = on_assigned  # type: ignore[assignment]
    lane, _ = start_lane(kafka, handler)
    await eventually(lambda: lane.delivery_loop.is_open)
    lane.delivery_loop.restart_delivery()
    assert not lane.delivery_loop.is_open
    await eventually(lambda: lane.delivery_loop.is_open)
    assert prepared == [0]
    await lane.suspend()
    lane.on_assigned()
    await eventually(lambda: lane.delivery_loop.is_open)
    assert prepared == [0, 0]
    await lane.close()


async def recreate_topic(kafka: FakeKafka) -> None:
    kafka.topic_id += 1


async def reset_group(kafka: FakeKafka) -> None:
    kafka.commits[PARTITION] = kafka.commits[PARTITION]._replace(offset=0, metadata="")


@pytest.mark.parametrize("change", [recreate_topic, reset_group])
async def test_lane_with_an_invalid_state_is_replaced_and_serves_nothing_more(
    kafka: FakeKafka, handler: FakeHandler, change: Any
) -> None:
    replaced: list[Lane] = []
    lane, _ = start_lane(kafka, handler)
    lane._replace_lane = replaced.append
    await eventually(lambda: kafka.commits[PARTITION].offset == 6 if kafka.commits else False)
    await change(kafka)
    lane.delivery_loop.restart_delivery()
    await eventually(lambda: replaced)
    assert replaced == [lane]
    assert not lane.delivery_loop.is_open
    assert lane.state is LaneState.RECOVERING
    assert len(handler.started) == 6
    await lane.close()

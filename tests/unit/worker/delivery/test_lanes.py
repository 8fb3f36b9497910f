"""Lanes follow the assignments of their group, over a cluster in memory."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from carteiro.worker.delivery import lanes as module
from carteiro.worker.delivery.commit_validation import owner_of
from carteiro.worker.delivery.lane import Lane
from carteiro.worker.delivery.lane_state import LaneState
from carteiro.worker.delivery.lanes import Lanes
from tests.conftest import eventually
from tests.unit.wire.record_batches.batch_builder import PARTITION, encode_batch, split_one
from tests.unit.worker.delivery.fake_consumer import FakeConsumer
from tests.unit.worker.delivery.fake_kafka import FakeKafka
from tests.unit.worker.delivery.fake_lane import REPLIES, FakeHandler


class Worker:
    """A worker that joins its group with `assign`."""

    def __init__(self) -> None:
        self.kafka = FakeKafka()
        self.kafka.requests = [(None, b"0"), (None, b"1")]
        self.handler, self.consumer = FakeHandler(self.kafka), FakeConsumer(self.kafka)
        self.joined = 0
        self.reachable = True
        self.lanes = Lanes(self.handler, PARTITION.topic, 60, self.on_joined, self.is_reachable)
        self.consumer.lane = self
        self.lanes.attach(self.consumer)  # type: ignore[arg-type]

    def on_joined(self) -> None:
        self.joined += 1

    async def is_reachable(self) -> bool:
        return self.reachable

    def on_record_batches(self, batches: list[Any]) -> None:
        self.lanes.on_record_batches({PARTITION: batches})

    async def assign(self) -> Lane:
        """Return the lane of the assigned partition, once it is open."""
        await self.lanes.on_partitions_assigned([PARTITION])
        await eventually(lambda: self.lane.delivery_loop.is_open)
        return self.lane

    @property
    def lane(self) -> Lane:
        return self.lanes._lanes[PARTITION]

    def all_served(self) -> bool:
        return PARTITION in self.lanes._lanes and self.lane.ledger.committable == len(self.kafka.requests)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    yield worker
    worker.kafka.release()
    await worker.lanes.stop()


async def test_assigned_partition_is_served(worker: Worker) -> None:
    assert await worker.lanes.lag() is None
    await worker.assign()
    await eventually(worker.all_served)
    assert (worker.lanes.partition_count, worker.joined, await worker.lanes.lag()) == (1, 1, 0)
    assert worker.kafka.values(REPLIES) == [b"0", b"1"]


async def test_batches_of_a_partition_without_a_lane_are_dropped(worker: Worker) -> None:
    worker.lanes.on_record_batches({PARTITION: [split_one(encode_batch([(None, b"0", [])]))]})
    assert worker.handler.started == []


async def test_revoked_partition_is_drained_and_continues_with_its_next_assignment(worker: Worker) -> None:
    worker.handler.gate.clear()
    lane = await worker.assign()
    await eventually(lambda: worker.handler.started == [0, 1])
    revoking = asyncio.create_task(worker.lanes.on_partitions_revoked([PARTITION]))
    await eventually(lambda: lane.state is LaneState.DRAINING)
    assert not revoking.done()
    worker.handler.gate.set()
    await revoking
    assert (lane.state, owner_of(worker.kafka.commits[PARTITION])) == (LaneState.SUSPENDED, 0)
    assert worker.all_served()
    assert await worker.assign() is lane


async def test_lane_of_a_lost_partition_is_closed(worker: Worker) -> None:
    lane = await worker.assign()
    await worker.lanes.on_partitions_assigned([])
    await eventually(lambda: worker.handler.lost == [0])
    assert (lane.state, worker.lanes.partition_count) == (LaneState.CLOSED, 0)


async def test_expelled_worker_suspends_its_lanes_and_commits_nothing(worker: Worker) -> None:
    worker.handler.gate.clear()
    lane = await worker.assign()
    await eventually(lambda: worker.handler.started == [0, 1])
    commits = len(worker.kafka.commit_history)
    worker.consumer._coordinator.generation = -1
    await worker.lanes.on_partitions_revoked([PARTITION])
    assert lane.state is LaneState.SUSPENDED
    assert lane._runner.in_flight == 2, "running requests go on: the partition may come back"
    assert len(worker.kafka.commit_history) == commits


async def test_duplicate_worker_gets_the_partitions_until_it_is_gone(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DUPLICATE_CHECK_SECONDS", 0.01)
    worker.consumer._group_instance_id = "one"
    worker.consumer._coordinator._heartbeat_interval_ms = -1500
    await worker.assign()
    worker.consumer._coordinator.generation = -1
    worker.kafka.members = [("other", "one", "/10.0.0.2")]
    revoking = asyncio.create_task(worker.lanes.on_partitions_revoked([PARTITION]))
    await eventually(lambda: worker.lane.state is LaneState.SUSPENDED)
    assert "10.0.0.2" in (worker.lanes.problem or "")
    assert owner_of(worker.kafka.commits[PARTITION]) == 0
    assert not revoking.done(), "joining again would fence the other worker"
    worker.kafka.members = []
    await revoking
    assert worker.lanes.problem is None


async def test_stopped_lanes_are_drained_and_accept_no_partition(worker: Worker) -> None:
    await worker.assign()
    await eventually(worker.all_served)
    await worker.lanes.stop()
    assert owner_of(worker.kafka.commits[PARTITION]) == 0
    await worker.lanes.on_partitions_assigned([PARTITION])
    assert worker.lanes.partition_count == 0


async def test_lane_with_an_invalid_state_is_replaced_by_one_that_reads_again(worker: Worker) -> None:
    lane = await worker.assign()
    await eventually(worker.all_served)
    worker.kafka.topic_id += 1
    lane.delivery_loop.restart_delivery()
    await eventually(lambda: worker.lanes._lanes.get(PARTITION) not in (None, lane))
    await eventually(lambda: worker.handler.started == [0, 1, 0, 1])
    assert lane.state is LaneState.CLOSED


async def test_recreated_topic_is_noticed(worker: Worker) -> None:
    lane = await worker.assign()
    assert await worker.lanes._check_topic() == 1
    assert worker.lane is lane
    worker.kafka.topic_id += 1
    await worker.lanes._check_topic()
    await eventually(lambda: worker.lanes._lanes.get(PARTITION) not in (None, lane))


async def test_partition_is_reopened_if_its_offset_is_out_of_range(worker: Worker) -> None:
    lane = await worker.assign()
    await eventually(worker.all_served)
    worker.lanes.on_offsets_out_of_range([PARTITION])
    assert not lane.delivery_loop.is_open
    await eventually(lambda: lane.delivery_loop.is_open)


async def test_failed_read_continues_after_the_last_accepted_batch(worker: Worker) -> None:
    await worker.assign()
    await eventually(worker.all_served)
    worker.consumer.position = 99
    worker.lanes.reset_positions()
    assert worker.consumer.position == 2


@pytest.mark.parametrize("reachable", [True, False])
async def test_stalled_lane_is_restarted_and_reported_if_kafka_is_reachable(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, reachable: bool
) -> None:
    monkeypatch.setattr(module, "_WATCH_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(module, "STALL_SECONDS", 0.0)
    worker.reachable = reachable
    worker.kafka.hangs.add("start")
    await worker.lanes.on_partitions_assigned([PARTITION])
    with capture_logs() as logs:
        watching = asyncio.create_task(worker.lanes.watch_lanes())
        await eventually(lambda: sum("stalled" in each["event"] for each in logs) >= 3)
    assert worker.lanes.stalled == ([f"{PARTITION.topic}/0"] if reachable else [])
    monkeypatch.setattr(module, "STALL_SECONDS", 60.0)
    worker.kafka.release()
    await eventually(lambda: worker.all_served() and not worker.lanes.stalled)
    watching.cancel()


async def test_ended_part_of_the_consumer_is_reported(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WATCH_INTERVAL_SECONDS", 0.01)
    await worker.assign()
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ended.set_result(None)
    worker.consumer._coordinator._coordination_task = ended
    watching = asyncio.create_task(worker.lanes.watch_lanes())
    await eventually(lambda: worker.lanes.stalled == [f"{PARTITION.topic}: membership"])
    watching.cancel()

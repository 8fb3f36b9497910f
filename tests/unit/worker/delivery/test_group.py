"""Committed offsets, former owners and membership, as the group's coordinator answers."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.structs import OffsetAndMetadata

from carteiro.ledger.crash_tracker import LEAVING_FLAG
from carteiro.ledger.ledger import Ledger
from carteiro.worker.delivery import group
from carteiro.worker.delivery.commit_validation import CommitOrigin, owner_of
from carteiro.worker.delivery.partition_state import PartitionState
from carteiro.worker.delivery.stable_offsets import COORDINATOR_LOADING, NOT_COORDINATOR
from tests.conftest import eventually
from tests.unit.wire.record_batches.batch_builder import PARTITION
from tests.unit.worker.delivery.fake_consumer import FakeConsumer
from tests.unit.worker.delivery.fake_kafka import FakeKafka, Status, Transaction

NOT_ALLOWED = 30
US, FORMER = 1, 2


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka()


@pytest.fixture
def consumer(kafka: FakeKafka) -> Any:
    return FakeConsumer(kafka)


def commit_of(owner: int) -> OffsetAndMetadata:
    state = PartitionState()
    state.crash_tracker.owner = owner
    return state.offset_and_metadata(Ledger(5, [3]), 4096)


async def test_stable_commit_is_read_once_its_transaction_has_ended(consumer: Any, kafka: FakeKafka) -> None:
    kafka.commits[PARTITION] = OffsetAndMetadata(3, "")
    producer = kafka.producers["id"] = kafka.create_producer({}, "id")
    producer.transaction = transaction = Transaction(offsets={PARTITION: OffsetAndMetadata(4, "")})
    fetching = asyncio.create_task(group.fetch_committed(consumer, PARTITION, stable=True))
    assert await group.fetch_committed(consumer, PARTITION, stable=False) == OffsetAndMetadata(3, "")
    assert not fetching.done()
    kafka.commits |= transaction.offsets
    transaction.status = Status.COMMITTED
    assert await fetching == OffsetAndMetadata(4, "")


async def test_transient_errors_of_the_coordinator_are_retried_and_others_raised(consumer: Any) -> None:
    consumer._coordinator.offset_errors = [NOT_COORDINATOR, COORDINATOR_LOADING]
    assert await group.fetch_committed(consumer, PARTITION, stable=True) is None
    assert consumer._coordinator.losses == 1, "another coordinator is looked for"
    consumer._coordinator.offset_errors = [NOT_ALLOWED]
    with pytest.raises(GroupAuthorizationFailedError):
        await group.fetch_committed(consumer, PARTITION, stable=True)


async def test_commit_is_validated_against_the_current_topic_and_log(consumer: Any, kafka: FakeKafka) -> None:
    kafka.requests = [(None, b"x")] * 4
    kafka.commits[PARTITION] = commit_of(FORMER)
    commit = await group.load_validated_commit(consumer, PARTITION, stable=True)
    assert (commit.origin, commit.offset, commit.truncated) == (CommitOrigin.EXTERNAL, 3, False)
    kafka.requests = [(None, b"x")] * 9
    commit = await group.load_validated_commit(consumer, PARTITION, stable=False)
    assert (commit.origin, commit.ledger.is_finished(4), commit.log.end) == (CommitOrigin.WORKER, True, 9)


async def test_worker_without_an_instance_id_waits_for_no_former_owner(consumer: Any, kafka: FakeKafka) -> None:
    kafka.commits[PARTITION] = commit_of(FORMER)
    async with asyncio.timeout(0.1):
        await group.wait_for_former_owner(consumer, PARTITION, US, drain_seconds=100)


@pytest.mark.parametrize("owner", [0, US])
async def test_released_partition_is_not_waited_for(consumer: Any, kafka: FakeKafka, owner: int) -> None:
    consumer._group_instance_id = "one"
    kafka.commits[PARTITION] = commit_of(owner)
    async with asyncio.timeout(0.1):
        await group.wait_for_former_owner(consumer, PARTITION, US, drain_seconds=100)


async def test_former_owner_that_leaves_is_waited_for_beyond_the_time_to_notice(
    consumer: Any, kafka: FakeKafka
) -> None:
    consumer._group_instance_id, consumer._coordinator._heartbeat_interval_ms = "one", -1400
    assert group.seconds_to_notice_fencing(consumer) == pytest.approx(0.1)
    kafka.commits[PARTITION] = commit_of(FORMER | LEAVING_FLAG)
    waiting = asyncio.create_task(group.wait_for_former_owner(consumer, PARTITION, US, drain_seconds=60))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.3)
    kafka.commits[PARTITION] = commit_of(0)
    await waiting


async def test_crashed_former_owner_is_waited_for_only_for_the_time_to_notice(consumer: Any, kafka: FakeKafka) -> None:
    consumer._group_instance_id, consumer._coordinator._heartbeat_interval_ms = "one", -1400
    kafka.commits[PARTITION] = commit_of(FORMER)
    await group.wait_for_former_owner(consumer, PARTITION, US, drain_seconds=60)
    assert owner_of(kafka.commits[PARTITION]) == FORMER


async def test_expelled_worker_is_no_member_and_joins_as_a_new_one(consumer: Any) -> None:
    assert await group.is_member(consumer)
    assert not group.was_expelled(consumer)
    group.rejoin_as_new_member(consumer)
    assert group.was_expelled(consumer)
    assert not await group.is_member(consumer)


async def test_duplicate_member_is_looked_for_only_with_an_instance_id(consumer: Any, kafka: FakeKafka) -> None:
    kafka.members = [("other", "one", "/10.0.0.2")]
    assert await group.find_duplicate_member_host(consumer, "member") is None
    consumer._group_instance_id = "one"
    assert await group.find_duplicate_member_host(consumer, "member") == "10.0.0.2"


async def test_ended_part_of_a_consumer_is_named(consumer: Any) -> None:
    assert group.ended_background_task(consumer) is None
    consumer._coordinator._coordination_task = task = asyncio.create_task(asyncio.Event().wait())
    assert group.ended_background_task(consumer) is None
    task.cancel()
    await eventually(lambda: group.ended_background_task(consumer) == "membership", 5)


async def test_leader_epoch_comes_from_the_topic(consumer: Any, kafka: FakeKafka) -> None:
    kafka.leader_epoch = 6
    assert await group.fetch_leader_epoch(consumer, PARTITION) == 6

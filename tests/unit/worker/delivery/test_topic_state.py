"""The state of a topic, the bounds of its log, and the members of a group, as a broker describes them."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    LeaderNotAvailableError,
    NodeNotReadyError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
)

from carteiro.ledger.metadata import NO_CHECKPOINT, EpochCheckpoint
from carteiro.worker.delivery.commit_validation import LogBounds
from carteiro.worker.delivery.topic_state import (
    fetch_log_bounds,
    fetch_partition_count,
    fetch_topic_state,
    find_duplicate_member,
)
from tests.unit.wire.record_batches.batch_builder import PARTITION
from tests.unit.worker.delivery.fake_consumer import FakeConsumer
from tests.unit.worker.delivery.fake_kafka import FakeKafka

UNKNOWN_TOPIC, NOT_LEADER, NOT_ALLOWED = 3, 6, 29


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka()


@pytest.fixture
def consumer(kafka: FakeKafka) -> Any:
    return FakeConsumer(kafka)


def answer(consumer: Any, *topic: Any) -> None:
    """Let the broker answer each request with this topic."""

    async def send(_node: int, _request: object) -> object:
        return SimpleNamespace(topics=[topic], cluster_id="cluster")

    consumer._client.send = send


def fail(consumer: Any, error: Exception) -> None:
    async def send(_node: int, _request: object) -> object:
        raise error

    consumer._client.send = consumer._coordinator._send_req = send
    consumer._coordinator._send_req = lambda request: send(0, request)


async def test_topic_that_is_created_again_has_another_identity(consumer: Any, kafka: FakeKafka) -> None:
    before = await fetch_topic_state(consumer, "t")
    assert before == await fetch_topic_state(consumer, "t", partition=0)
    kafka.topic_id += 1
    after = await fetch_topic_state(consumer, "t")
    assert before is not None
    assert after is not None
    assert before.identity.cluster == after.identity.cluster
    assert before.identity.topic != after.identity.topic
    assert (after.partitions, after.leader_epochs) == (1, {0: 0})


async def test_missing_topic_has_no_partitions(consumer: Any) -> None:
    answer(consumer, UNKNOWN_TOPIC, "t", 0, 0, False, [], 0, {})
    state = await fetch_topic_state(consumer, "t")
    assert state is not None
    assert (state.partitions, state.identity.topic) == (0, 0)
    assert await fetch_partition_count(SimpleNamespace(client=consumer._client), "t") == 0  # type: ignore[arg-type]


async def test_broker_without_topic_ids_reports_no_state(consumer: Any) -> None:
    fail(consumer, IncompatibleBrokerVersion("Metadata"))
    assert await fetch_topic_state(consumer, "t") is None


async def test_error_of_a_topic_is_raised(consumer: Any) -> None:
    answer(consumer, NOT_ALLOWED, "t", 0, 0, False, [], 0, {})
    with pytest.raises(TopicAuthorizationFailedError):
        await fetch_topic_state(consumer, "t")


async def test_unknown_broker_or_leader_is_an_error_that_passes(consumer: Any) -> None:
    consumer._client.get_random_node = lambda: None
    with pytest.raises(NodeNotReadyError):
        await fetch_topic_state(consumer, "t")
    consumer._client.cluster.leader_for_partition = lambda _: -1
    with pytest.raises(LeaderNotAvailableError):
        await fetch_topic_state(consumer, "t", partition=0)
    assert consumer._client.metadata_updates == 1


@pytest.mark.parametrize(
    ("checkpoint", "epoch_end"), [(NO_CHECKPOINT, None), (EpochCheckpoint(2, 1), 3)], ids=["none", "epoch 2"]
)
async def test_log_bounds_have_the_end_of_the_checkpoints_epoch(
    consumer: Any, kafka: FakeKafka, checkpoint: EpochCheckpoint, epoch_end: int | None
) -> None:
    kafka.requests, kafka.log_start = [(None, b"x")] * 3, 1
    assert await fetch_log_bounds(consumer, PARTITION, checkpoint) == LogBounds(1, 3, epoch_end)


async def test_end_of_the_log_is_unknown_without_leader_epochs(consumer: Any, kafka: FakeKafka) -> None:
    kafka.log_start = 1
    consumer._client._conns = {1: SimpleNamespace(_versions={})}
    assert await fetch_log_bounds(consumer, PARTITION, EpochCheckpoint(2, 1)) == LogBounds(1)


async def test_former_leader_makes_the_consumer_look_for_the_new_one(consumer: Any) -> None:
    answer(consumer, "t", [(0, NOT_LEADER, -1, -1)])
    with pytest.raises(NotLeaderForPartitionError):
        await fetch_log_bounds(consumer, PARTITION, NO_CHECKPOINT)
    assert consumer._client.metadata_updates == 1


async def test_duplicate_member_has_the_same_instance_id_and_another_member_id(consumer: Any, kafka: FakeKafka) -> None:
    kafka.members = [("member", "one", "/10.0.0.1"), ("other", "two", "/10.0.0.2")]
    assert await find_duplicate_member(consumer, "g", "one", "member") is None
    kafka.members += [("another", "one", "/10.0.0.3")]
    assert await find_duplicate_member(consumer, "g", "one", "member") == "10.0.0.3"
    fail(consumer, IncompatibleBrokerVersion("DescribeGroups"))
    assert await find_duplicate_member(consumer, "g", "one", "member") is None

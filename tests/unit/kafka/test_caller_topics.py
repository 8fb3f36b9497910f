"""The error of a record that cannot be written to a caller's topic."""

import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import LeaderNotAvailableError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError
from aiokafka.structs import PartitionMetadata

from carteiro.kafka.caller_topics import write_problem


@pytest.fixture
def found() -> ClusterMetadata:
    """Metadata of the topic `t`: partition 0 has a leader, partition 1 has none."""
    metadata = ClusterMetadata()
    metadata._partitions["t"] = {
        number: PartitionMetadata("t", number, leader, [1], [1], None) for number, leader in ((0, 1), (1, -1))
    }
    metadata.unauthorized_topics = {"secret"}
    return metadata


@pytest.mark.parametrize(
    ("topic", "partition", "problem"),
    [
        ("t", 0, None),
        ("t", None, None),
        ("t", 1, LeaderNotAvailableError),
        ("t", 2, UnknownTopicOrPartitionError),
        ("gone", None, UnknownTopicOrPartitionError),
        ("secret", None, TopicAuthorizationFailedError),
    ],
)
def test_problem_of_a_record(
    found: ClusterMetadata, topic: str, partition: int | None, problem: type[Exception] | None
) -> None:
    error = write_problem(found, topic, partition, None)
    assert (type(error) if error else None) is problem

"""The state of a topic and of a group's members, which aiokafka's own versions of the requests do not return.

A topic that is deleted and created again has the same name and another id (KIP-516). By the id, a lane knows if a
commit is valid for the topic. `DescribeGroups` returns the members' instance ids from version 4.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaError,
    LeaderNotAvailableError,
    NodeNotReadyError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.offset import OffsetRequest

from carteiro.ledger.metadata import EpochCheckpoint, TopicIdentity
from carteiro.worker.delivery.broker_requests import (
    OFFSET_FOR_LEADER_EPOCH,
    DescribeGroupRequest,
    OffsetForLeaderEpochRequest,
    TopicMetadataRequest,
)
from carteiro.worker.delivery.commit_validation import LogBounds

_READ_UNCOMMITTED = 0
_EARLIEST, _LATEST = -2, -1


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the broker describes it. `partitions` is 0 if the topic does not exist."""

    identity: TopicIdentity
    leader_epochs: Mapping[int, int]
    """Leader epochs by partition."""

    @property
    def partitions(self) -> int:
        """Number of partitions."""
        return len(self.leader_epochs)


async def fetch_topic_state(consumer: AIOKafkaConsumer, topic: str, partition: int | None = None) -> TopicState | None:
    """Fetch the state of a topic. Return None if the broker does not support topic ids. Raise `KafkaError`.

    With `partition`, ask its leader, which is the first broker to know its epoch. The request never makes a broker
    create the topic.
    """
    return await _fetch_state(consumer._client, topic, partition)  # noqa: SLF001


async def fetch_partition_count(producer: AIOKafkaProducer, topic: str) -> int | None:
    """Return the number of partitions of a topic, 0 if it does not exist.

    Return None if the broker does not support topic ids. Raise `KafkaError`.
    """
    state = await _fetch_state(producer.client, topic)
    return state.partitions if state else None


async def _fetch_state(client: Any, topic: str, partition: int | None = None) -> TopicState | None:
    node = client.get_random_node() if partition is None else _leader(client, TopicPartition(topic, partition))
    if node is None:  # no broker is known yet: aiokafka would log that as an error
        raise NodeNotReadyError(topic)
    try:
        response = await client.send(node, TopicMetadataRequest(topic))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return None
    (code, _, high, low, _, partitions, _, _) = response.topics[0]
    error = for_code(code)
    if code and error is not UnknownTopicOrPartitionError:
        raise error(topic)
    topic_id = _short_hash(f"{high}:{low}") if high or low else 0
    identity = TopicIdentity(_short_hash(response.cluster_id or ""), topic_id)
    return TopicState(identity, {each[1]: each[3] for each in partitions})


async def fetch_log_bounds(
    consumer: AIOKafkaConsumer, partition: TopicPartition, checkpoint: EpochCheckpoint
) -> LogBounds:
    """Fetch the bounds of a partition's log from its leader, and the end of the checkpoint's epoch. Raise `KafkaError`.

    The consumer's own `end_offsets` returns the last stable offset, which may be below an offset that an operator has
    set.
    """
    client = consumer._client  # noqa: SLF001
    leader, offsets = _leader(client, partition), []
    for position in (_EARLIEST, _LATEST):
        request = OffsetRequest(-1, _READ_UNCOMMITTED, [(partition.topic, [(partition.partition, position)])])
        response = await client.send(leader, request)
        _, code, _, offset = response.topics[0][1][0]
        if code:
            client.force_metadata_update()
            raise for_code(code)(f"{partition.topic}/{partition.partition}")
        offsets.append(offset)
    # A broker without leader epochs, such as the embedded one, may report a wrong end of the log.
    known = any(OFFSET_FOR_LEADER_EPOCH in each._versions for each in client._conns.values())  # noqa: SLF001
    if not known:
        return LogBounds(offsets[0])
    epoch_end = None if checkpoint.epoch < 0 else await _fetch_epoch_end(client, leader, partition, checkpoint.epoch)
    return LogBounds(offsets[0], offsets[1], epoch_end)


async def _fetch_epoch_end(client: Any, leader: int, partition: TopicPartition, epoch: int) -> int | None:
    try:
        response = await client.send(leader, OffsetForLeaderEpochRequest(partition, epoch))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return None
    code, _, _, end, _ = response.topics[0][1][0]
    if code:
        client.force_metadata_update()
        raise for_code(code)(f"{partition.topic}/{partition.partition}")
    return int(end) if end >= 0 else None


def _leader(client: Any, partition: TopicPartition) -> int:
    leader = client.cluster.leader_for_partition(partition)
    if leader is None or leader < 0:
        client.force_metadata_update()
        raise LeaderNotAvailableError(f"no leader of {partition.topic}/{partition.partition} is known")
    return int(leader)


async def find_duplicate_member(consumer: AIOKafkaConsumer, group: str, instance_id: str, member_id: str) -> str | None:
    """Return the host of another member of the group with the same `group.instance.id`.

    Return None if there is no other member with it, or if the broker cannot tell.
    """
    try:
        response = await consumer._coordinator._send_req(DescribeGroupRequest(group))  # noqa: SLF001
    except (KafkaError, NotImplementedError):
        return None
    for each in response.groups[0][5]:
        if each[1] == instance_id and each[0] != member_id:
            return str(each[3]).lstrip("/")
    return None


def _short_hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) or 1 if text else 0

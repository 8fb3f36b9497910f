"""A consumer of a `FakeKafka`, whose broker has one partition. It answers requests of `group` and `topic_state`."""

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.structs import OffsetAndMetadata

from carteiro.worker.delivery.broker_requests import (
    OFFSET_FOR_LEADER_EPOCH,
    DescribeGroupRequest,
    DescribeTransactionRequest,
    OffsetForLeaderEpochRequest,
    StableOffsetFetchRequest,
    TopicMetadataRequest,
)
from carteiro.worker.delivery.stable_offsets import NO_ERROR, UNSTABLE_OFFSET_COMMIT
from tests.unit.wire.record_batches.batch_builder import PARTITION, encode_batch, split_one
from tests.unit.worker.delivery.fake_kafka import FakeKafka


class FakeCoordinator:
    """The group's coordinator, as a consumer's private parts reach it."""

    _heartbeat_interval_ms = 3000

    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka, self.group_id = kafka, "g"
        self.generation, self.member_id, self.is_member = 1, "member", True
        self.losses = 0
        self.offset_errors: list[int] = []
        """Error codes of the next requests for committed offsets."""
        self._coordination_task: asyncio.Future[None] | None = None

    async def ensure_coordinator_known(self) -> None: ...

    def coordinator_dead(self) -> None:
        self.losses += 1

    def reset_generation(self) -> None:
        self.generation = -1

    async def _do_heartbeat(self) -> bool:
        return self.is_member

    async def fetch_committed_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        return {each: self._kafka.commits[each] for each in partitions if each in self._kafka.commits}

    async def _send_req(self, request: object) -> object:
        if isinstance(request, DescribeGroupRequest):
            members = [(name, instance, "", host, b"", b"", {}) for name, instance, host in self._kafka.members]
            return SimpleNamespace(groups=[(0, self.group_id, "", "", "", members, 0, {})])
        assert isinstance(request, StableOffsetFetchRequest)
        await asyncio.sleep(0)
        if self.offset_errors:
            return SimpleNamespace(error_code=self.offset_errors.pop(0))
        partition = request._partition
        found = self._kafka.commits.get(partition, OffsetAndMetadata(-1, ""))
        code = UNSTABLE_OFFSET_COMMIT if self._kafka.has_open_commit(partition) else NO_ERROR
        answer = (partition.partition, found.offset, -1, found.metadata, code, {})
        return SimpleNamespace(error_code=NO_ERROR, topics=[(partition.topic, [answer], {})])


class FakeClient:
    """A consumer's connection to the one broker."""

    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self.cluster = SimpleNamespace(leader_for_partition=lambda _: 1)
        self._conns = {1: SimpleNamespace(_versions={OFFSET_FOR_LEADER_EPOCH: (0, 4)})}
        self.metadata_updates = 0

    def get_random_node(self) -> int:
        return 1

    def force_metadata_update(self) -> None:
        self.metadata_updates += 1

    async def coordinator_lookup(self, _type: object, _key: str) -> int:
        return 1

    async def send(self, _node: int, request: object, **_: Any) -> object:
        kafka = self._kafka
        if isinstance(request, DescribeTransactionRequest):
            if not kafka.knows_transactions:
                raise IncompatibleBrokerVersion
            state = kafka.transaction_state(request._transactional_id)
            return SimpleNamespace(transactions=[(0 if state else 105, request._transactional_id, state or "")])
        if isinstance(request, TopicMetadataRequest):
            partitions = [(0, 0, 1, kafka.leader_epoch, [1], [1], [], {})]
            topic = (0, request._topic, 0, kafka.topic_id, False, partitions, 0, {})
            return SimpleNamespace(topics=[topic], cluster_id="cluster")
        if isinstance(request, OffsetForLeaderEpochRequest):
            return SimpleNamespace(topics=[("", [(0, 0, request._epoch, len(kafka.requests), {})], {})])
        assert isinstance(request, OffsetRequest)
        ((_, ((_, position),)),) = request._topics
        return SimpleNamespace(topics=[("", [(0, 0, -1, kafka.log_start if position == -2 else len(kafka.requests))])])


class FakeConsumer:
    """A consumer that gives its lane the batches of the partition, from its position on, while it is not paused."""

    def __init__(self, kafka: FakeKafka, partition: TopicPartition = PARTITION) -> None:
        self._kafka, self.partition = kafka, partition
        self._coordinator, self._client = FakeCoordinator(kafka), FakeClient(kafka)
        self._fetcher = SimpleNamespace(_fetch_task=None)
        self._group_instance_id: str | None = None
        self.paused, self.position, self.assigned = False, 0, {partition}
        self.lane: Any = None
        self.commit_requests = 0

    async def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        self.commit_requests += 1
        await self._kafka.run_step("commit")
        self._kafka.commits |= offsets
        self._kafka.commit_history += offsets.values()

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return {0}

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, len(self._kafka.requests))

    def highwater(self, _partition: TopicPartition) -> int | None:
        return len(self._kafka.requests)

    def last_stable_offset(self, _partition: TopicPartition) -> int:
        return len(self._kafka.requests)

    def pause(self, _partition: TopicPartition) -> None:
        self.paused = True

    def resume(self, _partition: TopicPartition) -> None:
        self.paused = False
        self.poll()

    def seek(self, _partition: TopicPartition, offset: int) -> None:
        self.position = offset
        self.poll()

    def poll(self) -> None:
        """Read soon, if there is something to read."""
        asyncio.get_running_loop().call_soon(self._read)

    def _read(self) -> None:
        records = [(key, value, []) for key, value in self._kafka.requests[self.position :]]
        if self.paused or self.lane is None or not records:
            return
        base, self.position = self.position, len(self._kafka.requests)
        self.lane.on_record_batches([split_one(encode_batch(records, base=base), base)])

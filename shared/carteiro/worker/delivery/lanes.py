"""The lanes of one consumer, which are opened and closed with the assignments of its group."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from carteiro.concurrency.background_tasks import BackgroundTasks
from carteiro.kafka.topic_watch import TopicWatch
from carteiro.wire.record_batches.raw_batches import RawBatch
from carteiro.worker.delivery import group
from carteiro.worker.delivery.hidden_records import HiddenRecords
from carteiro.worker.delivery.lane import Lane
from carteiro.worker.delivery.partition_handler import PartitionHandler
from carteiro.worker.delivery.topic_state import fetch_topic_state
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.delivery")

_WATCH_INTERVAL_SECONDS = 5.0
STALL_SECONDS = 60.0
"""Seconds without progress after which the delivery of a lane with work is restarted."""
_PREPARE_STALLS = 5
"""A partition whose handler prepares for longer than this many times `STALL_SECONDS` is also reported as stalled."""
_DUPLICATE_CHECK_SECONDS = 2.0


class Lanes(ConsumerRebalanceListener):  # type: ignore[misc]
    """Opens a lane for each partition that the group assigns, and drains the lane before the partition is released.

    `on_joined` is called after each assignment. `is_broker_reachable` returns True if a broker answers.
    """

    def __init__(
        self,
        handler: PartitionHandler,
        topic: str,
        drain_seconds: float,
        on_joined: Callable[[], None],
        is_broker_reachable: Callable[[], Awaitable[bool]],
    ) -> None:
        self._handler, self._topic, self._drain_seconds = handler, topic, drain_seconds
        self._on_joined, self._is_broker_reachable = on_joined, is_broker_reachable
        self._lanes: dict[TopicPartition, Lane] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._closing = BackgroundTasks()
        self._stopping = False
        self._hidden = HiddenRecords()
        self.stalled: list[str] = []
        """Stalled partitions although Kafka is reachable: a restart has not helped. Also dead parts of the consumer."""
        self._member_id = ""
        """The latest member id that the group has given the consumer."""
        self._duplicate_problem: str | None = None
        """A message if another worker has replaced this worker in the group by the same instance id; else None."""
        self._topic_watch = TopicWatch(topic, "create it; until then nothing of it can be served", self._check_topic)

    @property
    def problem(self) -> str | None:
        """The reason that no requests can be served although the setup is complete; None if they can."""
        return self._duplicate_problem or self._topic_watch.problem

    @property
    def partition_count(self) -> int:
        """Number of partitions that are assigned now."""
        return len(self._lanes)

    async def lag(self) -> int | None:
        """Return the number of uncommitted requests of the assigned partitions; None if a lane is not open.

        Raise `KafkaError`.
        """
        lanes: dict[TopicPartition, Lane] = dict(self._lanes)
        if self._consumer is None or not lanes or not all(lane.delivery_loop.is_open for lane in lanes.values()):
            return None
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(list(lanes))
        return sum(max(ends[partition] - lane.ledger.committable, 0) for partition, lane in lanes.items())

    def attach(self, consumer: AIOKafkaConsumer) -> None:
        """Serve the partitions of this consumer from now on."""
        self._consumer, self._stopping = consumer, False

    def on_record_batches(self, batches: dict[TopicPartition, list[RawBatch]]) -> None:
        """Pass batches that were read to their lanes."""
        for partition, partition_batches in batches.items():
            if (lane := self._lanes.get(partition)) is not None:
                lane.on_record_batches(partition_batches)

    def reset_positions(self) -> None:
        """Continue to read after the last accepted batches: a failed read may have lost the batches after them."""
        for lane in self._lanes.values():
            lane.reset_position()

    def on_offsets_out_of_range(self, partitions: Iterable[TopicPartition]) -> None:
        """Reopen the partitions whose logs do not have the offset to be read next."""
        for partition in partitions:
            if (lane := self._lanes.get(partition)) is not None:
                lane.on_offset_out_of_range()

    def start_ready(self) -> None:
        """Start the requests that may start, in all lanes."""
        for lane in self._lanes.values():
            lane.start_ready()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Drain the lanes before a rebalance. The group waits until this returns."""
        partitions = sorted(each.partition for each in revoked)
        if not partitions or self._consumer is None:
            return
        if group.was_expelled(self._consumer):
            log.warning("the group has gone on without this worker", topic=self._topic, partitions=partitions)
            await self._check_duplicate_member()
            lanes = self._lanes.values()
            if self._duplicate_problem is not None:
                await asyncio.gather(*(lane.release_to_duplicate(self._drain_seconds) for lane in lanes))
            else:
                await asyncio.gather(*(lane.suspend() for lane in lanes))
            # The consumer joins its group again once this returns, and would fence the other worker.
            await self._wait_until_unique()
            return
        log.info("giving partitions back", topic=self._topic, partitions=partitions)
        await self._drain()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Open lanes for assigned partitions and close the other lanes.

        The method must not wait, since no heartbeats are sent until it returns.
        """
        assert self._consumer is not None
        assigned_partitions = set(assigned)
        self._member_id = group.member_id(self._consumer)
        log.info(
            "taking requests", topic=self._topic, partitions=sorted(each.partition for each in assigned_partitions)
        )
        for partition in self._lanes.keys() - assigned_partitions:
            self._closing.start(self._lanes.pop(partition).close())
        if not self._stopping:
            for partition in assigned_partitions:
                if partition not in self._lanes:
                    self._lanes[partition] = Lane(
                        partition, self._consumer, self._handler, self._replace_lane, self._drain_seconds
                    )
                self._lanes[partition].on_assigned()
        self._on_joined()

    async def stop(self) -> None:
        """Start no more requests, finish running ones within the drain time, commit, and close all lanes."""
        self._stopping = True
        await self._drain()
        for lane in self._lanes.values():
            self._closing.start(lane.close())
        await self._closing.wait()
        self._lanes.clear()

    async def watch_lanes(self) -> None:
        """Restart the delivery of each stalled lane, until cancelled."""
        while True:
            await asyncio.sleep(_WATCH_INTERVAL_SECONDS)
            if self._duplicate_problem is None and not any(lane.delivery_loop.is_open for lane in self._lanes.values()):
                await self._check_duplicate_member()
            if self._consumer is not None:
                self._hidden.update_metrics(self._consumer, list(self._lanes))
            now = time.monotonic()
            stalled_lanes = [
                each for each in self._lanes.values() if each.delivery_loop.is_stalled(now - STALL_SECONDS)
            ]
            metrics.PARTITIONS_STALLED.labels(self._topic).set(len(stalled_lanes))
            preparing = [
                each
                for each in self._lanes.values()
                if each.progress.is_preparing(now - _PREPARE_STALLS * STALL_SECONDS)
            ]
            reachable = not (stalled_lanes or preparing) or await self._is_broker_reachable()
            stalled_partitions = [
                each.partition for each in stalled_lanes if reachable and each.progress.restart_failed
            ]
            stalled_partitions += [each.partition for each in preparing if reachable]
            self.stalled = [f"{each.topic}/{each.partition}" for each in stalled_partitions]
            if (
                self._consumer is not None
                and not self._stopping
                and (ended := group.ended_background_task(self._consumer))
            ):
                log.error("a part of the consumer has ended; restart the worker", topic=self._topic, part=ended)
                self.stalled.append(f"{self._topic}: {ended}")
            for lane in [each for each in stalled_lanes if self._lanes.get(each.partition) is each]:
                log.error("a partition is stalled; restarting its delivery", **lane.log_fields)
                lane.delivery_loop.restart_delivery()

    async def watch_topic(self) -> None:
        """Detect that the topic is missing, was created again, or has new partitions, until cancelled."""
        await self._topic_watch.run()

    async def _check_topic(self) -> int | None:
        if self._consumer is None or (state := await fetch_topic_state(self._consumer, self._topic)) is None:
            return None
        known = len(self._consumer.partitions_for_topic(self._topic) or ())
        if state.partitions and state.partitions != known:
            group.refresh_metadata(self._consumer)
        for partition, lane in self._lanes.items():
            lane.note_topic(state.identity, state.leader_epochs.get(partition.partition, -1))
        return state.partitions

    def _replace_lane(self, lane: Lane) -> None:
        """Replace a lane by a new lane without state."""
        self._closing.start(self._close_and_replace(lane))

    async def _close_and_replace(self, lane: Lane) -> None:
        await lane.close()
        partition, consumer = lane.partition, self._consumer
        if self._stopping or self._lanes.get(partition) is not lane or consumer is None:
            return
        del self._lanes[partition]
        if partition in consumer.assignment():
            self._lanes[partition] = Lane(partition, consumer, self._handler, self._replace_lane, self._drain_seconds)
            self._lanes[partition].on_assigned()

    async def _check_duplicate_member(self) -> None:
        """Check if another member of the group has this worker's instance id, and set or clear the problem."""
        consumer = self._consumer
        if consumer is None or self._stopping:
            self._duplicate_problem = None
            return
        try:
            host = await group.find_duplicate_member_host(consumer, self._member_id)
        except KafkaError as error:
            log.debug("cannot look for a duplicate worker; trying again", topic=self._topic, reason=repr(error))
            return
        if host is not None and self._duplicate_problem is None:
            self._duplicate_problem = (
                f"another worker, at {host}, has the same CARTEIRO_GROUP_INSTANCE_ID, {group.instance_id(consumer)!r}: "
                "give each worker its own id, as a StatefulSet does, or unset it"
            )
            log.error("standing by: another worker has this one's place in the group", reason=self._duplicate_problem)
        elif host is None and self._duplicate_problem is not None:
            self._duplicate_problem = None
            group.rejoin_as_new_member(consumer)
            log.info("the other worker with the same instance id is gone; joining the group again", topic=self._topic)

    async def _wait_until_unique(self) -> None:
        """Return once no other member has this worker's instance id."""
        await self._check_duplicate_member()
        while self._duplicate_problem is not None:
            await asyncio.sleep(_DUPLICATE_CHECK_SECONDS)
            await self._check_duplicate_member()

    async def _drain(self) -> None:
        await asyncio.gather(*(lane.revoke(self._drain_seconds) for lane in self._lanes.values()))

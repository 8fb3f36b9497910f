"""The partitions of one consumer: lanes come and go with its group's assignments."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from carteiro.wire.record import Record
from carteiro.worker.delivery import group
from carteiro.worker.delivery.lane import Lane
from carteiro.worker.delivery.service import Service
from carteiro.worker.observing import metrics

log = structlog.get_logger("carteiro.delivery")

_LOOK_SECONDS = 5.0
STALL_SECONDS = 60.0
"""A lane that has something to do and does nothing for so long is built anew."""


class Lanes(ConsumerRebalanceListener):  # type: ignore[misc]
    """Opens a lane for each partition that the group assigns, and drains it before the partition is given back.

    `joined` is called after each assignment; `reachable` says whether a broker can be talked to.
    """

    def __init__(
        self,
        service: Service,
        topic: str,
        drain_seconds: float,
        joined: Callable[[], None],
        reachable: Callable[[], Awaitable[bool]],
    ) -> None:
        self._service, self._topic, self._drain_seconds = service, topic, drain_seconds
        self._joined, self._reachable = joined, reachable
        self._lanes: dict[TopicPartition, Lane] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.stalled: list[str] = []
        """What stands still although Kafka is there, and that building it anew has not helped."""

    def serve(self, consumer: AIOKafkaConsumer) -> None:
        """What this consumer is assigned is served."""
        self._consumer, self._stopping = consumer, False

    def accept(self, records: dict[TopicPartition, list[Record]]) -> None:
        """Records were read."""
        for partition, some in records.items():
            if (lane := self._lanes.get(partition)) is not None:
                lane.accept(some)

    def read_again(self) -> None:
        """Reading failed, and may have swallowed records that it had: go back to those that never came here."""
        for lane in self._lanes.values():
            lane.read_again()

    def skip(self, partition: TopicPartition, offset: int) -> None:
        """The record at that offset cannot be read."""
        if (lane := self._lanes.get(partition)) is not None:
            lane.skip(offset)

    def fill(self) -> None:
        """Requests may begin again."""
        for lane in self._lanes.values():
            lane.fill()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """The group is about to share its partitions out anew. It waits for this to return."""
        partitions = sorted(each.partition for each in revoked)
        if not partitions or self._consumer is None:
            return
        if group.was_expelled(self._consumer):
            log.warning("the group has gone on without this worker", topic=self._topic, partitions=partitions)
            await asyncio.gather(*(lane.suspend() for lane in self._lanes.values()))
            return
        log.info("giving partitions back", topic=self._topic, partitions=partitions)
        await self._drain()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """The group has decided. Must not wait: no heartbeats are sent meanwhile."""
        assert self._consumer is not None
        mine = set(assigned)
        log.info("taking requests", topic=self._topic, partitions=sorted(each.partition for each in mine))
        for partition in self._lanes.keys() - mine:
            closing = asyncio.create_task(self._lanes.pop(partition).close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        if not self._stopping:
            for partition in mine:
                if partition not in self._lanes:
                    self._lanes[partition] = Lane(partition, self._consumer, self._service)
                self._lanes[partition].assigned()
        self._joined()

    async def stop(self) -> None:
        """Begin nothing more, finish what runs within the drain's time, commit, and give everything up."""
        self._stopping = True
        await self._drain()
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()), *self._closing, return_exceptions=True)
        self._lanes.clear()

    async def watch(self) -> None:
        """Build anew each lane that stands still, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            still = [each for each in self._lanes.values() if each.stands_still_since(now - STALL_SECONDS)]
            metrics.LANES_STALLED.labels(self._topic).set(len(still))
            reachable = not still or await self._reachable()
            in_vain = [each.partition for each in still if reachable and each.rebuilt_in_vain]
            self.stalled = [f"{each.topic}/{each.partition}" for each in in_vain]
            if self._consumer is not None and not self._stopping and (died := group.died(self._consumer)):
                log.error("a part of the consumer has died; only a new process helps", topic=self._topic, part=died)
                self.stalled.append(f"{self._topic}: {died}")
            for lane in [each for each in still if self._lanes.get(each.partition) is each]:
                log.error("a partition stands still; building it anew", **lane.where)
                lane.rebuild()

    async def _drain(self) -> None:
        await asyncio.gather(*(lane.revoke(self._drain_seconds) for lane in self._lanes.values()))

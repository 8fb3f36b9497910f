"""A task's waiting requests, in all partitions that are served here."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import structlog
from aiokafka.errors import KafkaError

from carteiro.models.cloud.batches.interface import BatchModel
from carteiro.wire.record import OutgoingRecord, Record
from carteiro.wire.waiting import dropped
from carteiro.worker.delivery.courier import Courier, Delivering
from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.kafka.compacted_topic import CompactedTopic, TopicUnusable
from carteiro.worker.observing import metrics
from carteiro.worker.waiting.gathering import Rules
from carteiro.worker.waiting.model import REQUEST, Waiting
from carteiro.worker.waiting.office import Office
from carteiro.worker.waiting.open_batch import LEDGER, decode_ledger, encode_ledger

log = structlog.get_logger("carteiro.worker")

_PAUSE_SECONDS = 1.0


class Desk:
    """Opens an office for each partition, and keeps what it has to know in the topic of batches."""

    def __init__(self, task: str, topic: CompactedTopic, models: Mapping[str, BatchModel], rules: Rules) -> None:
        self._task, self._topic, self._models, self._rules = task, topic, models, rules
        self._offices: dict[int, Office] = {}
        self._couriers: dict[int, tuple[Courier, Delivering]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._waiting: dict[tuple[int, int], float] = {}
        """The timestamps of the requests that wait, in seconds since 1970, by partition and offset."""
        metrics.of(metrics.WAITING, task).set_function(lambda: len(self._waiting))
        metrics.of(metrics.OLDEST, task).set_function(self._oldest)

    def deliver_by(self, courier: Courier, lane: Delivering) -> Courier:
        """A lane has a new courier: what is kept of its partition goes with what it delivers."""
        self._couriers[lane.partition.partition] = courier, lane
        return courier

    async def prepare(self, partition: int) -> Ledger:
        """Open a partition's office, with all that is kept. Returns once that could be read."""
        if (office := self._offices.get(partition)) is None:
            office = self._offices[partition] = self._office(partition)
        await office.close()
        while True:
            try:
                kept, _ = await self._topic.read(partition)
                ledger = decode_ledger(kept.get(LEDGER))
                office.open(kept)
                return ledger
            except (TopicUnusable, KafkaError, OSError, AssertionError, ValueError) as error:
                # Without what is kept, batches would be paid again.
                log.error("cannot serve waiting requests yet; trying again", topic=self._topic.name, reason=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)

    def forget(self, partition: int) -> None:
        """A partition is somebody else's by now."""
        if (office := self._offices.pop(partition, None)) is not None:
            closing = asyncio.create_task(office.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def kept(self, partition: int, ledger: Ledger) -> Sequence[OutgoingRecord]:
        """What goes with the commit of a ledger: all of it."""
        return [OutgoingRecord(self._topic.name, partition, LEDGER, encode_ledger(ledger), ())]

    def take(self, record: Record) -> Record:
        """A record that was set aside is about to be served: the request in it."""
        request = dropped(record)
        REQUEST.set(Waiting(self._task, self._offices[record.partition], record.offset))
        return request

    def waits(self, record: Record) -> None:
        """A request begins to wait."""
        self._waiting[record.partition, record.offset] = dropped(record).timestamp / 1000

    def done(self, record: Record) -> None:
        """A request waits no more here."""
        self._waiting.pop((record.partition, record.offset), None)

    def _office(self, partition: int) -> Office:
        async def publish(key: bytes, value: bytes | None) -> None:
            record = OutgoingRecord(self._topic.name, partition, key, value, ())
            while True:
                courier, lane = self._couriers[partition]
                # A lane that is not open may be about to learn that the partition is somebody else's.
                if lane.is_open:
                    try:
                        return await asyncio.shield(courier.publish(record))
                    except Exception as error:  # noqa: BLE001  # whatever it is, the courier is of no more use
                        log.warning("cannot keep how a batch stands", **lane.where, reason=repr(error))
                        if lane.is_open and self._couriers[partition][0] is courier:
                            lane.rebuild()
                await asyncio.sleep(_PAUSE_SECONDS)

        def finished(offset: int) -> bool:
            return self._couriers[partition][1].ledger.finished(offset)

        return Office(self._task, self._models, publish, finished, self._rules)

    def _oldest(self) -> float:
        return max(time.time() - min(self._waiting.values()), 0.0) if self._waiting else 0.0

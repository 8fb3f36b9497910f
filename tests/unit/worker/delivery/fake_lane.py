"""Outcomes, a lane as its delivery sees it, and a handler for whole lanes, in their simplest form."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from carteiro.concurrency.backoff import Backoff
from carteiro.kafka.broker_limits import MAX_METADATA_BYTES, BrokerLimits
from carteiro.ledger.ledger import Ledger
from carteiro.wire.record import OutgoingRecord, Record
from carteiro.worker.delivery.exclusive_gate import ExclusiveGate
from carteiro.worker.delivery.interface import Delivery, DeliveryContext
from carteiro.worker.delivery.lane import Lane
from carteiro.worker.delivery.outcome import Cleanup, Outcome
from carteiro.worker.delivery.partition_handler import PartitionHandler
from carteiro.worker.delivery.partition_state import PartitionState
from carteiro.worker.delivery.transactional import TransactionalDelivery
from tests.unit.wire.record_batches.batch_builder import PARTITION
from tests.unit.worker.delivery.fake_consumer import FakeConsumer
from tests.unit.worker.delivery.fake_kafka import FakeKafka

REPLIES = "replies"
JOURNAL = "journal"


def reply(value: bytes, topic: str = REPLIES) -> OutgoingRecord:
    return OutgoingRecord(topic, None, None, value, ())


class FakeOutcome(Outcome):
    """An outcome of one reply. Its fallback is a reply on the default topic; a fallback has no fallback."""

    def __init__(
        self, value: bytes, topic: str = REPLIES, fallback: bytes | None = None, reason: Exception | None = None
    ) -> None:
        self._record, self._fallback, self.reason = reply(value, topic), fallback, reason
        self.queued = self.acknowledged = 0

    @property
    def records(self) -> Sequence[OutgoingRecord]:
        return [self._record]

    @property
    def custom_record(self) -> OutgoingRecord | None:
        return self._record if self._record.topic != REPLIES else None

    def fall_back(self, record: OutgoingRecord, error: Exception) -> "FakeOutcome | None":
        assert record == self._record
        return None if self._fallback is None else FakeOutcome(self._fallback, reason=error)

    def on_queued(self) -> None:
        self.queued += 1

    def on_acknowledged(self) -> None:
        self.acknowledged += 1


class FakeCleanup(Cleanup):
    """The deletion of one key, until it has failed once."""

    def __init__(self, key: bytes = b"17/a") -> None:
        self._tombstones = [OutgoingRecord(JOURNAL, 0, key, None, ())]
        self.errors: list[Exception] = []

    @property
    def tombstones(self) -> Sequence[OutgoingRecord]:
        return () if self.errors else self._tombstones

    def on_failed(self, error: Exception) -> None:
        self.errors.append(error)


class KeptOutcome(FakeOutcome):
    """An outcome whose reply ends what was kept for its request."""

    def __init__(self, value: bytes) -> None:
        super().__init__(value)
        self._cleanup = FakeCleanup()

    @property
    def cleanup(self) -> FakeCleanup:
        return self._cleanup


class UnpreparedOutcome(FakeOutcome):
    """An outcome whose fallback has to be prepared before it is sent."""

    def fall_back(self, record: OutgoingRecord, error: Exception) -> "UnpreparedOutcome":
        return UnpreparedOutcome(record.value or b"", reason=error)

    async def prepare(self) -> FakeOutcome:
        await asyncio.sleep(0)
        return FakeOutcome(b"prepared")


class FakeContext(DeliveryContext):
    """A lane of which some offsets are admitted. It records the acknowledged outcomes."""

    def __init__(self, admitted: int = 0, partition: TopicPartition = PARTITION) -> None:
        self.partition, self.group, self.is_open = partition, "g", True
        self.reply_topics = (REPLIES,)
        self._state = PartitionState()
        self.ledger = self._state.ledger
        for offset in range(admitted):
            self.ledger.admit(offset)
        self.acknowledged: list[int] = []
        self.unavailable: list[int] = []
        self.replaced: dict[int, FakeOutcome] = {}
        self.snapshot: list[OutgoingRecord] = []
        self.restarts = 0

    @property
    def log_fields(self) -> dict[str, Any]:
        return {}

    def on_acknowledged(self, offset: int, outcome: Outcome) -> bool:
        if offset in self.acknowledged:
            return False
        self.acknowledged.append(offset)
        self.ledger.finish(offset)
        outcome.on_acknowledged()
        return True

    def restart_delivery(self) -> None:
        self.restarts += 1

    def replace_outcome(self, offset: int, outcome: Outcome) -> None:
        assert isinstance(outcome, FakeOutcome)
        self.replaced[offset] = outcome

    def on_topic_unavailable(self, offset: int) -> None:
        self.unavailable.append(offset)

    def offset_and_metadata(self, ledger: Ledger) -> OffsetAndMetadata:
        return self._state.offset_and_metadata(ledger, MAX_METADATA_BYTES)

    def snapshot_records(self, ledger: Ledger) -> Sequence[OutgoingRecord]:
        return self.snapshot


class FakeHandler(PartitionHandler):
    """A handler that answers each request with its value, in a transaction, unless `gate` is closed."""

    def __init__(self, kafka: FakeKafka, max_in_flight: int = 4, *, by_key: bool = False) -> None:
        self.group, self.max_in_flight, self.by_key = "g", max_in_flight, by_key
        self.broker_limits, self.exclusive_gate = BrokerLimits(), ExclusiveGate()
        self._kafka = kafka
        self.calls: Counter[bytes | None] = Counter()
        """Number of calls by the values of requests."""
        self.started: list[int] = []
        """Offsets of the requests in the order of their starts."""
        self.accepting = True
        self.gate = asyncio.Event()
        self.gate.set()
        self.lost: list[int] = []

    def accepts_work(self) -> bool:
        return self.accepting

    async def handle(self, record: Record) -> Outcome:
        self.calls[record.value] += 1
        self.started.append(record.offset)
        await self.gate.wait()
        return FakeOutcome(record.value or b"")

    async def reject_poison(self, record: Record, deaths: int) -> Outcome:
        return FakeOutcome(b"poison %d after %d" % (record.offset, deaths))

    def create_delivery(self, lane: DeliveryContext) -> Delivery:
        return TransactionalDelivery({}, lane, self.broker_limits, create_producer=self._kafka.create_producer)

    def on_lost(self, partition: int) -> None:
        self.lost.append(partition)


async def no_pause(_seconds: float) -> None:
    await asyncio.sleep(0)


def start_lane(kafka: FakeKafka, handler: PartitionHandler, kind: type[Lane] = Lane) -> tuple[Lane, FakeConsumer]:
    """Return a lane that was assigned to a new worker, with its consumer. A failed delivery restarts at once."""
    consumer = FakeConsumer(kafka)
    lane = kind(consumer.partition, consumer, handler, backoff=Backoff(0.1, 0.1, sleep=no_pause))  # type: ignore[arg-type]
    consumer.lane = lane
    lane.on_assigned()
    return lane, consumer

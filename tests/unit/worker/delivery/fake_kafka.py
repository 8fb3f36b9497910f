"""A Kafka cluster in memory, with transactions, for the tests of deliveries and lanes.

Producers follow aiokafka's own state machine of transactions.
"""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import SimpleNamespace
from typing import Any, Literal
from unittest.mock import AsyncMock

from aiokafka import TopicPartition
from aiokafka.errors import IllegalOperation, ProducerFenced
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.structs import OffsetAndMetadata

from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.outcome import Outcome

Step = Literal["start", "begin", "dispatch", "write", "offsets", "commit", "committed", "abort"]
"""Step of a transaction. `write` is the broker's answer to a dispatched record, `committed` its answer to `commit`."""


class Status(Enum):
    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(eq=False)
class Transaction:
    """A transaction of one producer."""

    status: Status = Status.OPEN
    offsets: dict[TopicPartition, OffsetAndMetadata] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredRecord:
    """A record in a log; `transaction` is None if a producer without transactions wrote it."""

    record: OutgoingRecord
    transaction: Transaction | None


class FakeKafka:
    """The cluster. Steps fail with the errors in `errors`, one after the other, or hang while they are in `hangs`."""

    def __init__(self) -> None:
        self.logs: dict[str, list[StoredRecord]] = defaultdict(list)
        self.commits: dict[TopicPartition, OffsetAndMetadata] = {}
        self.commit_history: list[OffsetAndMetadata] = []
        self.producers: dict[str, FakeTransactionalProducer] = {}
        """Latest producer of each transactional id."""
        self.created: list[dict[str, Any]] = []
        """Options of the producers, in the order of their creation."""
        self.errors: dict[Step, list[BaseException]] = defaultdict(list)
        self.hangs: set[Step] = set()
        self.hung, self.released = asyncio.Event(), asyncio.Event()
        self.rejection: Callable[[OutgoingRecord], Exception | None] = lambda _: None
        """Returns the error with which a topic rejects a record; None if it takes the record."""
        self.silent_topics: set[str] = set()
        """Topics whose records are never acknowledged."""
        self.unavailable_topics: dict[str, Exception] = {}
        self.requests: list[tuple[bytes | None, bytes]] = []
        """Keys and values of the partition that a `FakeConsumer` reads."""
        self.loses_markers = False
        """True to end transactions without their markers, as a broker does that shuts down."""
        self.unmarked: dict[TopicPartition, OffsetAndMetadata] = {}
        """Offsets of transactions that have ended without a marker."""
        self.knows_transactions = True
        """False for a broker that does not describe transactions."""
        self.log_start, self.leader_epoch, self.topic_id = 0, 0, 7
        self.members: list[tuple[str, str | None, str]] = []
        """Ids, instance ids and hosts of the group's members."""

    def create_producer(self, options: dict[str, Any], transactional_id: str, **more: Any) -> Any:
        self.created.append(options | more)
        return FakeTransactionalProducer(self, transactional_id)

    def visible(self, topic: str) -> list[OutgoingRecord]:
        """Return the records that a `read_committed` reader gets: those before the first open transaction."""
        before = itertools.takewhile(
            lambda stored: stored.transaction is None or stored.transaction.status is not Status.OPEN, self.logs[topic]
        )
        return [each.record for each in before if not each.transaction or each.transaction.status is Status.COMMITTED]

    def values(self, topic: str) -> list[bytes | None]:
        """Return the values of the visible records."""
        return [record.value for record in self.visible(topic)]

    def release(self) -> None:
        """Let the steps that hang go on, and none hang again."""
        self.hangs.clear()
        self.released.set()
        self.released = asyncio.Event()

    def has_open_commit(self, partition: TopicPartition) -> bool:
        """Return True if an open transaction, or one without a marker, commits an offset of the partition."""
        transactions = [each.transaction for each in self.producers.values() if each.transaction is not None]
        is_open = any(each.status is Status.OPEN and partition in each.offsets for each in transactions)
        return is_open or partition in self.unmarked

    def transaction_state(self, transactional_id: str) -> str | None:
        """Return the state of a transactional id; None if the broker does not know the id."""
        if (producer := self.producers.get(transactional_id)) is None:
            return None
        states = {Status.OPEN: "Ongoing", Status.COMMITTED: "CompleteCommit", Status.ABORTED: "CompleteAbort"}
        return states[producer.transaction.status] if producer.transaction is not None else "Empty"

    def find_problems(self, outcomes: Mapping[int, Outcome]) -> dict[int, Exception]:
        """Return the errors of outcomes whose custom topics are unavailable."""
        custom = {offset: outcome.custom_record for offset, outcome in outcomes.items()}
        topics = self.unavailable_topics
        return {offset: topics[record.topic] for offset, record in custom.items() if record and record.topic in topics}

    async def run_step(self, step: Step) -> None:
        await asyncio.sleep(0)
        if step in self.hangs:
            self.hung.set()
            await self.released.wait()
        if self.errors[step]:
            raise self.errors[step].pop(0)


class FakeTransactionalProducer:
    """A producer that acts as `BoundedProducer` with a transactional id."""

    def __init__(self, kafka: FakeKafka, transactional_id: str) -> None:
        self._kafka, self._id = kafka, transactional_id
        self._manager = TransactionManager(transactional_id, 10_000)
        self.transaction: Transaction | None = None
        self.stopped = False
        # `stop_producer` closes these parts of aiokafka's producer.
        self._sender = self.client = SimpleNamespace(close=AsyncMock())
        self._message_accumulator = SimpleNamespace(_batches={}, _pending_batches=[])

    @property
    def fenced(self) -> bool:
        return self._kafka.producers.get(self._id) is not self

    async def start(self) -> None:
        await self._kafka.run_step("start")
        former = self._kafka.producers.get(self._id)
        if former is not None and former.transaction is not None and former.transaction.status is Status.OPEN:
            former.transaction.status = Status.ABORTED
        self._kafka.producers[self._id] = self
        self._manager.set_pid_and_epoch(1, len(self._kafka.created))

    async def stop(self) -> None:
        self.stopped = True  # an open transaction stays open, as with aiokafka

    async def begin_transaction(self) -> None:
        await self._kafka.run_step("begin")
        self._manager.begin_transaction()
        self.transaction = Transaction()

    async def dispatch(self, record: OutgoingRecord) -> asyncio.Future[None]:
        await self._kafka.run_step("dispatch")
        if not self._manager.is_in_transaction():
            raise IllegalOperation("Can't send messages while not in transaction")
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sent.add_done_callback(lambda done: done.cancelled() or done.exception())
        writing = asyncio.create_task(self._write(record, sent))
        sent.add_done_callback(lambda _: writing.cancel())
        return sent

    async def find_problems(self, outcomes: Mapping[int, Outcome]) -> dict[int, Exception]:
        return self._kafka.find_problems(outcomes)

    async def cancel_splits(self) -> None:
        """No-op: the fake rejects single records."""

    async def send_offsets_to_transaction(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group_id: str
    ) -> None:
        await self._kafka.run_step("offsets")
        if not self._manager.is_in_transaction():
            raise IllegalOperation("Not in the middle of a transaction")
        self._check_fencing()
        assert self.transaction is not None
        self.transaction.offsets |= offsets

    async def add_to_transaction(self, group_id: str, topics: Iterable[str]) -> None:
        assert self._manager.is_in_transaction()
        assert self.transaction is not None

    async def commit_transaction(self) -> None:
        await self._kafka.run_step("commit")
        self._manager.committing_transaction()
        self._check_fencing()
        self._end(Status.COMMITTED)
        await self._kafka.run_step("committed")

    async def abort_transaction(self) -> None:
        await self._kafka.run_step("abort")
        self._manager.aborting_transaction()
        self._check_fencing()
        self._end(Status.ABORTED)

    async def _write(self, record: OutgoingRecord, sent: asyncio.Future[None]) -> None:
        """Answer a dispatched record. Its transaction is the one in which it was dispatched."""
        transaction = self.transaction
        try:
            await self._kafka.run_step("write")
        except Exception as error:  # noqa: BLE001  # the fake's own error
            sent.set_exception(error)
            return
        if record.topic in self._kafka.silent_topics or sent.done():
            return
        if self.fenced:
            sent.set_exception(ProducerFenced())
        elif (error := self._kafka.rejection(record)) is not None:
            sent.set_exception(error)
        else:
            self._kafka.logs[record.topic].append(StoredRecord(record, transaction))
            sent.set_result(None)

    def _end(self, status: Status) -> None:
        assert self.transaction is not None
        self.transaction.status = status
        self._kafka.unmarked |= self.transaction.offsets
        if not self._kafka.loses_markers:
            if status is Status.COMMITTED:
                self._kafka.commits |= self._kafka.unmarked
                self._kafka.commit_history += self._kafka.unmarked.values()
            self._kafka.unmarked = {}
        self._manager.complete_transaction()

    def _check_fencing(self) -> None:
        if self.fenced:
            self._manager.fatal_error(ProducerFenced())
            self._manager.wait_for_transaction_end().exception()  # asyncio logs exceptions that are never retrieved
            raise ProducerFenced


class FakeProducer:
    """A producer that acts as `BoundedProducer` without transactions."""

    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self.client = SimpleNamespace(mark_used=lambda _topic: None)

    def has_metadata(self, topic: str) -> bool:
        return topic not in self._kafka.unavailable_topics

    async def find_problems(self, outcomes: Mapping[int, Outcome]) -> dict[int, Exception]:
        return self._kafka.find_problems(outcomes)

    async def dispatch(self, record: OutgoingRecord) -> asyncio.Future[None]:
        await self._kafka.run_step("dispatch")
        return asyncio.ensure_future(self._write(record))

    async def _write(self, record: OutgoingRecord) -> None:
        await self._kafka.run_step("write")
        if (error := self._kafka.rejection(record)) is not None:
            raise error
        self._kafka.logs[record.topic].append(StoredRecord(record, None))

"""Delivery by acknowledged sends: a reply is confirmed by all in-sync replicas, then the ledger is committed.

A worker that dies between the two leaves replies that its ledger does not know of; those requests are answered
again. That window is the time of one commit.
"""

import asyncio
import functools
import time
from collections.abc import Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.courier import CALLER_SECONDS, Courier, Delivering
from carteiro.worker.delivery.metadata import encode
from carteiro.worker.delivery.outcome import Outcome, is_refusal
from carteiro.worker.delivery.producers import send

log = structlog.get_logger("carteiro.delivery")

_GATHER_SECONDS = 0.02
"""Pause between commits under load: each is a request to the broker, for all partitions of the consumer."""
_TRY_AGAIN_SECONDS = 0.5


class NotOwned(Exception):
    """The group has given the partition to somebody else, or is about to."""


class Commits:
    """Commits the ledgers of a consumer's lanes, all that have changed in one request."""

    def __init__(self) -> None:
        self._changed: dict[TopicPartition, AtLeastOnce] = {}
        self._waiting: dict[TopicPartition, list[asyncio.Future[None]]] = {}
        self._wake = asyncio.Event()

    def soon(self, courier: "AtLeastOnce") -> None:
        """Have the ledger of a courier's lane committed with the next commit."""
        self._changed[courier.lane.partition] = courier
        self._wake.set()

    async def now(self, courier: "AtLeastOnce") -> None:
        """Return once the ledger of a courier's lane, as it now is, is committed. Raises `NotOwned` or aiokafka's
        `KafkaError`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(courier.lane.partition, []).append(done)
        self.soon(courier)
        await done

    async def run(self, consumer: AIOKafkaConsumer) -> None:
        """Commit until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = self._changed, {}
            waiting, self._waiting = self._waiting, {}
            owned = consumer.assignment()
            couriers = [courier for partition, courier in changed.items() if partition in owned]
            lanes = {courier.lane.partition: courier.lane for courier in couriers}
            offsets = {
                partition: OffsetAndMetadata(*encode(lane.ledger, lane.suspects)) for partition, lane in lanes.items()
            }
            error: Exception | None = None
            try:
                for courier in couriers:
                    await courier.keep()
                if offsets:
                    await consumer.commit(offsets)
            except (CommitFailedError, IllegalStateError) as failed:
                error = NotOwned(str(failed))
            except Exception as failed:  # noqa: BLE001  # whatever it is, it is the waiting lanes' business
                error = failed
                self._changed = changed | self._changed
            if error is not None:
                log.warning("a commit failed; what it holds may be done again", reason=repr(error))
            for partition, several in waiting.items():
                failure = error if partition in offsets else NotOwned(f"not assigned: {partition}")
                for done in [each for each in several if not each.done()]:
                    if failure is None:
                        done.set_result(None)
                    else:
                        done.set_exception(failure)
            if error is not None and self._changed:
                await asyncio.sleep(_TRY_AGAIN_SECONDS)
                self._wake.set()
            await asyncio.sleep(_GATHER_SECONDS)


class AtLeastOnce(Courier):
    """Delivers a lane's outcomes through the worker's one producer."""

    transactional = False

    def __init__(self, producer: AIOKafkaProducer, commits: Commits, lane: Delivering) -> None:
        self._producer, self._commits, self.lane = producer, commits, lane
        self._retrying: set[asyncio.Task[None]] = set()
        self._closed = False

    async def open(self) -> None:
        """Nothing can be done about an earlier owner: what it still sends comes twice."""

    async def deliver(self, outcomes: Mapping[int, Outcome]) -> None:
        """Send, and not wait: an outcome that takes long does not hold up those behind it."""
        for offset, outcome in outcomes.items():
            try:
                futures = [await send(self._producer, record) for record in outcome.records]
            except (KafkaError, AssertionError):
                self._retry(offset, outcome)
                continue
            sent = futures[0] if len(futures) == 1 else asyncio.gather(*futures)
            sent.add_done_callback(functools.partial(self._sent, offset, outcome))

    async def commit(self) -> None:
        await self._commits.now(self)

    async def publish(self, record: OutgoingRecord) -> None:
        await (await send(self._producer, record))

    async def keep(self) -> None:
        """Publish what goes with a commit. Raises aiokafka's `KafkaError`."""
        for sent in [await send(self._producer, record) for record in self.lane.kept(self.lane.ledger)]:
            await sent

    async def close(self) -> None:
        self._closed = True  # what fails from now on is the next courier's to send again
        for task in self._retrying:
            task.cancel()

    def _sent(self, offset: int, outcome: Outcome, sent: asyncio.Future[Any]) -> None:
        if not sent.cancelled() and sent.exception() is None:
            self._confirm(offset, outcome)
        elif not self._closed:
            self._retry(offset, outcome)

    def _confirm(self, offset: int, outcome: Outcome) -> None:
        if self.lane.confirm(offset, outcome):
            self._commits.soon(self)

    def _retry(self, offset: int, outcome: Outcome) -> None:
        task = asyncio.create_task(self._persist(offset, outcome))
        self._retrying.add(task)
        task.add_done_callback(self._retrying.discard)

    async def _persist(self, offset: int, outcome: Outcome) -> None:
        """Send an outcome, however often it takes; what its topics refuse is replaced."""
        pause, until = 0.2, time.monotonic() + CALLER_SECONDS
        while (failed := await self._send_all(outcome)) is not None:
            record, error = failed
            if (is_refusal(error) or time.monotonic() > until) and outcome.refused(record, error):
                continue
            log.warning("the reply is not confirmed; trying again", topic=record.topic, reason=repr(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
        self._confirm(offset, outcome)

    async def _send_all(self, outcome: Outcome) -> tuple[OutgoingRecord, Exception] | None:
        for record in outcome.records:
            try:
                await (await send(self._producer, record))
            except (KafkaError, AssertionError) as error:
                return record, error
        return None

"""At-least-once delivery: all in-sync replicas confirm a reply, then the ledger is committed.

If a worker dies between the two steps, its committed ledger does not contain the latest replies. The next owner answers
those requests again. The gap lasts as long as one commit.
"""

import asyncio
import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, UnknownTopicOrPartitionError

from carteiro.concurrency.background_tasks import BackgroundTasks
from carteiro.concurrency.backoff import Backoff
from carteiro.kafka.bounded_producer import BoundedProducer
from carteiro.kafka.broker_limits import BrokerLimits
from carteiro.kafka.record_errors import is_record_rejection
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.interface import Delivery, DeliveryContext
from carteiro.worker.delivery.outcome import Cleanup, Outcome
from carteiro.worker.delivery.unavailable_topics import FAILING_TOPIC_SECONDS, MISSING_TOPIC_SECONDS

log = structlog.get_logger("carteiro.delivery")

_COMMIT_LINGER_SECONDS = 0.02
"""Seconds between commits under load. Each commit is one request to the broker, for all partitions of the consumer."""
_RETRY_SECONDS = 0.5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_CLEANUP_SECONDS = 10.0
_TOPIC_CHECK_SECONDS = 5.0
"""Seconds that a send to a caller's topic may take before the topic is looked up again."""


class PartitionNotOwned(Exception):
    """The group has assigned the partition to another worker, or is about to."""


class OffsetCommitter:
    """Commits the ledgers of a consumer's lanes. One request commits all ledgers that have changed."""

    def __init__(self) -> None:
        self.limits = BrokerLimits()
        self._changed: dict[TopicPartition, AcknowledgedDelivery] = {}
        self._waiters: dict[TopicPartition, list[asyncio.Future[None]]] = {}
        self._wake = asyncio.Event()

    def request_commit(self, delivery: "AcknowledgedDelivery") -> None:
        """Include the ledger of the delivery's lane in the next commit."""
        self._changed[delivery.lane.partition] = delivery
        self._wake.set()

    async def commit(self, delivery: "AcknowledgedDelivery") -> None:
        """Commit the current ledger of the delivery's lane, and return once that is done.

        Raise `PartitionNotOwned`, or aiokafka's `KafkaError`.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(delivery.lane.partition, []).append(done)
        self.request_commit(delivery)
        await done

    async def run(self, consumer: AIOKafkaConsumer) -> None:
        """Commit until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = self._changed, {}
            waiting, self._waiters = self._waiters, {}
            owned = consumer.assignment()
            deliveries = [delivery for partition, delivery in changed.items() if partition in owned]
            lanes = {delivery.lane.partition: delivery.lane for delivery in deliveries}
            offsets = {partition: lane.offset_and_metadata(lane.ledger) for partition, lane in lanes.items()}
            cleanups = [(delivery, delivery.take_cleanups()) for delivery in deliveries]
            error: Exception | None = None
            try:
                for delivery in deliveries:
                    await delivery.publish_snapshot()
                if offsets:
                    await consumer.commit(offsets)
            except (CommitFailedError, IllegalStateError) as failed:
                error = PartitionNotOwned(str(failed))
            except Exception as failed:  # noqa: BLE001  # the lanes that wait for the commit handle every error
                error = failed
                self.limits.adapt(failed, max((len(each.metadata) for each in offsets.values()), default=0))
                self._changed = changed | self._changed
            if error is not None:
                log.warning("a commit failed; its requests may be served again", reason=repr(error))
            for delivery, cleanup in cleanups:
                delivery.on_commit(cleanup, succeeded=error is None)
            for partition, several in waiting.items():
                failure = error if partition in offsets else PartitionNotOwned(f"not assigned: {partition}")
                for done in [each for each in several if not each.done()]:
                    if failure is None:
                        done.set_result(None)
                    else:
                        done.set_exception(failure)
            if error is not None and self._changed:
                await asyncio.sleep(_RETRY_SECONDS)
                self._wake.set()
            await asyncio.sleep(_COMMIT_LINGER_SECONDS)


class AcknowledgedDelivery(Delivery):
    """Delivers a lane's outcomes through the producer that all lanes of the worker share."""

    transactional = False

    def __init__(self, producer: BoundedProducer, committer: OffsetCommitter, lane: DeliveryContext) -> None:
        self._producer, self._committer, self.lane = producer, committer, lane
        self._retries: dict[int, asyncio.Task[None]] = {}
        self._cleanups: list[tuple[Cleanup, Sequence[OutgoingRecord]]] = []
        """Deletions for the replies that are confirmed and not committed yet."""
        self._cleaning = BackgroundTasks()
        self._closed = False

    async def open(self, consumer: AIOKafkaConsumer) -> None:
        """Do nothing: an earlier owner cannot be fenced, and replies that it still sends are duplicates."""

    async def deliver(self, outcomes: Mapping[int, Outcome]) -> None:
        """Send the outcomes without waiting for the broker: a slow outcome does not delay the next ones."""
        for offset, outcome in outcomes.items():
            if outcome.custom_record is not None:
                self._retry(offset, outcome)
                continue
            if (task := self._retries.pop(offset, None)) is not None:
                task.cancel()
            try:
                futures = [await self._producer.dispatch(record) for record in outcome.records]
            except (KafkaError, AssertionError):
                self._retry(offset, outcome)
                continue
            sent = futures[0] if len(futures) == 1 else asyncio.gather(*futures)
            sent.add_done_callback(functools.partial(self._on_sent, offset, outcome))

    async def commit(self) -> None:
        await self._committer.commit(self)

    async def publish(self, record: OutgoingRecord) -> None:
        await (await self._producer.dispatch(record))

    async def publish_snapshot(self) -> None:
        """Publish the snapshot records that belong to a commit. Raise aiokafka's `KafkaError`."""
        for sent in [await self._producer.dispatch(record) for record in self.lane.snapshot_records(self.lane.ledger)]:
            await sent

    def take_cleanups(self) -> list[tuple[Cleanup, Sequence[OutgoingRecord]]]:
        """Return the deletions for the replies that the next commit contains."""
        cleanups, self._cleanups = self._cleanups, []
        return cleanups

    def on_commit(self, cleanups: Sequence[tuple[Cleanup, Sequence[OutgoingRecord]]], *, succeeded: bool) -> None:
        """Send deletions once their replies are committed, without waiting for the broker."""
        if not succeeded:
            self._cleanups[:0] = cleanups
            return
        for cleanup, tombstones in cleanups:
            self._cleaning.start(self._clean_up(cleanup, tombstones))

    async def close(self) -> None:
        self._closed = True  # the next delivery sends again what fails from now on
        for task in self._retries.values():
            task.cancel()

    def _on_sent(self, offset: int, outcome: Outcome, sent: asyncio.Future[Any]) -> None:
        if not sent.cancelled() and sent.exception() is None:
            self._confirm(offset, outcome)
        elif not self._closed:
            self._retry(offset, outcome)

    async def _clean_up(self, cleanup: Cleanup, tombstones: Sequence[OutgoingRecord]) -> None:
        try:
            async with asyncio.timeout(_CLEANUP_SECONDS):
                for sent in [await self._producer.dispatch(record) for record in tombstones]:
                    await sent
        except (KafkaError, AssertionError, TimeoutError) as error:
            cleanup.on_failed(error)

    def _confirm(self, offset: int, outcome: Outcome) -> None:
        cleanup = outcome.cleanup
        tombstones = cleanup.tombstones if cleanup else ()
        if self.lane.on_acknowledged(offset, outcome):
            if cleanup and tombstones:
                self._cleanups.append((cleanup, tombstones))
            self._committer.request_commit(self)

    def _retry(self, offset: int, outcome: Outcome) -> None:
        if (task := self._retries.get(offset)) is not None:
            task.cancel()
        task = self._retries[offset] = asyncio.create_task(self._send_until_confirmed(offset, outcome))
        task.add_done_callback(functools.partial(self._forget, offset))

    def _forget(self, offset: int, task: asyncio.Task[None]) -> None:
        if self._retries.get(offset) is task:
            del self._retries[offset]

    async def _send_until_confirmed(self, offset: int, outcome: Outcome) -> None:
        """Send an outcome until the broker confirms it. Records that their topics reject are replaced."""
        backoff, began, logged = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE), time.monotonic(), False
        while (failed := await self._send_all(offset, outcome, look_up=logged)) is not None:
            record, error = failed
            patience = (
                MISSING_TOPIC_SECONDS if isinstance(error, UnknownTopicOrPartitionError) else FAILING_TOPIC_SECONDS
            )
            given_up = is_record_rejection(error) or time.monotonic() - began > patience
            if given_up and (replacement := outcome.fall_back(record, error)) is not None:
                outcome = await replacement.prepare()
                self.lane.replace_outcome(offset, outcome)
                continue
            if not logged:
                log.warning("the reply is not confirmed; trying again", topic=record.topic, reason=repr(error))
            logged = True
            self.lane.on_topic_unavailable(offset)
            await backoff.pause()
        self._confirm(offset, outcome)

    async def _send_all(
        self, offset: int, outcome: Outcome, *, look_up: bool
    ) -> tuple[OutgoingRecord, Exception] | None:
        """Send an outcome's records. Return the first record that failed, with its error; None if all were sent.

        With `look_up`, a caller's topic is looked up first.
        """
        custom = outcome.custom_record
        look_up = look_up or (custom is not None and not self._producer.has_metadata(custom.topic))
        if custom is not None and look_up and (problem := await self._find_problem(outcome)) is not None:
            return custom, problem
        if custom is not None and not outcome.creates_topic:
            self._producer.client.mark_used(custom.topic)
        for record in outcome.records:
            try:
                sending = asyncio.ensure_future(self._send_one(record))
                if record is custom:
                    await self._wait_until_sent(offset, outcome, sending)
                await sending
            except (KafkaError, AssertionError) as error:
                return record, error
        return None

    async def _send_one(self, record: OutgoingRecord) -> None:
        await (await self._producer.dispatch(record))

    async def _wait_until_sent(self, offset: int, outcome: Outcome, sending: asyncio.Future[None]) -> None:
        """Return once a record is sent. Raise `UnknownTopicOrPartitionError` if its topic is deleted meanwhile."""
        while not (await asyncio.wait([sending], timeout=_TOPIC_CHECK_SECONDS))[0]:
            self.lane.on_topic_unavailable(offset)
            if isinstance(problem := await self._find_problem(outcome), UnknownTopicOrPartitionError):
                sending.cancel()
                raise problem

    async def _find_problem(self, outcome: Outcome) -> Exception | None:
        problems: dict[int, Exception]
        try:
            problems = await self._producer.find_problems({0: outcome})
        except KafkaError as error:
            problems = {0: error}
        return problems.get(0)

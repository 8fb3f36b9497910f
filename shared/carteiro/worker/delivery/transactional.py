"""Exactly-once delivery: a transaction writes replies together with the ledger that contains them.

Each lane has a producer with its own transactional id (KIP-98). Kafka lets only the latest producer of an id write. So
after a partition has moved, its former owner (stopped, disconnected, slow) cannot publish any more. The usual fencing
by the group's generation (KIP-447) would need fewer producers, but aiokafka does not support it.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, ProducerClosed, ProducerFenced

from carteiro.kafka.bounded_producer import MAX_PRODUCE_BYTES, BoundedProducer
from carteiro.kafka.broker_limits import BrokerLimits
from carteiro.kafka.producers import stop_producer, transactional_producer
from carteiro.kafka.record_errors import is_record_rejection
from carteiro.wire.compression import DEFAULT_COMPRESSION, Compression
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.interface import (
    CleanupFailed,
    CustomTopicsUnavailable,
    Delivery,
    DeliveryContext,
    DeliveryTimeout,
)
from carteiro.worker.delivery.lost_markers import TransactionEnd, find_lost_marker
from carteiro.worker.delivery.outcome import Outcome

log = structlog.get_logger("carteiro.delivery")

_SEND_TIME_SHARE = 0.5
"""Share of a transaction's time in which callers' topics have to accept their records."""


class TransactionalDelivery(Delivery):
    """Delivers a lane's outcomes in transactions of several outcomes."""

    transactional = True

    def __init__(
        self,
        options: dict[str, Any],
        lane: DeliveryContext,
        limits: BrokerLimits | None = None,
        *,
        max_produce_bytes: int = MAX_PRODUCE_BYTES,
        compression: Compression = DEFAULT_COMPRESSION,
        create_producer: Callable[..., BoundedProducer] = transactional_producer,
    ) -> None:
        self._lane, self._create_producer = lane, create_producer
        self._limits = limits or BrokerLimits()
        self._producer: BoundedProducer | None = None
        self._options, self._max_produce_bytes, self._compression = options, max_produce_bytes, compression
        self._lock = asyncio.Lock()

    async def open(self, consumer: AIOKafkaConsumer) -> None:
        partition = self._lane.partition
        transactional_id = f"{self._lane.group}-{partition.topic}-{partition.partition}"
        lost = await find_lost_marker(consumer, partition, transactional_id)
        await self._start_producer(transactional_id)
        if lost is not None:
            await self._write_marker(lost)

    async def _start_producer(self, transactional_id: str) -> None:
        while True:
            producer = self._producer = self._create_producer(
                self._options,
                transactional_id,
                transaction_seconds=self._limits.transaction_seconds,
                max_produce_bytes=self._max_produce_bytes,
                compression=self._compression,
            )
            try:
                async with asyncio.timeout(self._limits.transaction_seconds * 2):
                    await producer.start()
                return
            except KafkaError as error:
                if not self._limits.adapt(error):
                    raise
                await self.close()

    async def _write_marker(self, end: TransactionEnd) -> None:
        """Write the marker that the broker has lost, by a transaction without records that ends in the same way."""
        producer, lane = self._producer, self._lane
        assert producer is not None
        async with asyncio.timeout(self._limits.transaction_seconds):
            await producer.begin_transaction()
            await producer.add_to_transaction(lane.group, lane.reply_topics)
            if end is TransactionEnd.COMMITTED:
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()
        log.warning("the broker had not marked a transaction's end; it is marked now", **lane.log_fields, end=end.name)

    async def deliver(self, outcomes: Mapping[int, Outcome]) -> None:
        unavailable = await self._find_unavailable(outcomes)
        ready = {offset: outcome for offset, outcome in outcomes.items() if offset not in unavailable}
        while ready and (replaced := await self._run_transaction(ready)):
            ready |= await self._prepare(replaced)
        if unavailable:
            raise CustomTopicsUnavailable(unavailable)

    async def commit(self) -> None:
        await self._run_transaction({})

    async def publish(self, record: OutgoingRecord) -> None:
        async with self._lock:
            if (producer := self._producer) is None:
                raise ProducerClosed
            async with asyncio.timeout(self._limits.transaction_seconds):
                await producer.begin_transaction()
                await (await producer.dispatch(record))
                await producer.commit_transaction()

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_producer(producer)

    async def _prepare(self, replaced: Mapping[int, Outcome]) -> dict[int, Outcome]:
        """Complete the replacements of rejected outcomes."""
        outcomes = await asyncio.gather(*(outcome.prepare() for outcome in replaced.values()))
        prepared = dict(zip(replaced, outcomes, strict=True))
        for offset, outcome in prepared.items():
            if outcome is not replaced[offset]:
                self._lane.replace_outcome(offset, outcome)
        return prepared

    async def _find_unavailable(self, outcomes: Mapping[int, Outcome]) -> dict[int, Exception]:
        """Return the errors of outcomes whose custom topics take no records now, by the outcomes' offsets.

        A record for a missing topic would block the whole transaction.
        """
        if (producer := self._producer) is None:
            raise ProducerClosed
        async with asyncio.timeout(self._limits.transaction_seconds):
            return await producer.find_problems(outcomes)

    async def _run_transaction(self, outcomes: Mapping[int, Outcome]) -> dict[int, Outcome]:
        """Run one transaction. If topics reject records, abort it, and return the replacements of their outcomes."""
        async with self._lock:
            producer, lane = self._producer, self._lane
            if producer is None:
                raise ProducerClosed
            # Requests that finish during this transaction belong to the next one.
            ledger = lane.ledger.copy()
            for offset in outcomes:
                ledger.finish(offset)
            commit, snapshot = lane.offset_and_metadata(ledger), lane.snapshot_records(ledger)
            try:
                async with asyncio.timeout(self._limits.transaction_seconds):
                    await producer.begin_transaction()
                    if outcomes and (replaced := await self._send(producer, outcomes)):
                        await producer.abort_transaction()
                        return replaced
                    await self._clean_up(producer, outcomes)
                    for sent in [await producer.dispatch(record) for record in snapshot]:
                        await sent
                    await producer.send_offsets_to_transaction({lane.partition: commit}, lane.group)
                    await producer.commit_transaction()
            except KafkaError as error:
                self._limits.adapt(error, len(commit.metadata))
                raise
            for offset, outcome in outcomes.items():
                lane.on_acknowledged(offset, outcome)
        return {}

    async def _send(self, producer: BoundedProducer, outcomes: Mapping[int, Outcome]) -> dict[int, Outcome]:
        """Send all records and wait for their acknowledgements. Return the replacements of rejected outcomes.

        Raise `DeliveryTimeout` if the broker does not answer in time.
        """
        sending: dict[asyncio.Future[Any], tuple[int, OutgoingRecord]] = {}
        replaced: dict[int, Outcome] = {}
        seconds = self._limits.transaction_seconds * _SEND_TIME_SHARE
        for offset, outcome in outcomes.items():
            for record in outcome.records:
                custom = record is outcome.custom_record
                try:
                    async with asyncio.timeout(seconds if custom else None):
                        sending[await producer.dispatch(record)] = offset, record
                except (KafkaError, AssertionError, TimeoutError) as error:
                    self._fall_back(offset, outcomes, replaced, record, error)
        if not sending:
            return replaced
        any_custom = any(outcome.custom_record is not None for outcome in outcomes.values())
        done, pending = await asyncio.wait(sending, timeout=seconds if any_custom else None)
        for future, (offset, record) in sending.items():
            if future in done and (failure := future.exception()) is not None:
                self._fall_back(offset, outcomes, replaced, record, failure)
        if pending and replaced:
            # Rejected records are found one after the other, which takes long on a slow broker. The transaction is
            # tried again without the records found so far, so each try gets further.
            await producer.cancel_splits()
            return replaced
        if pending:
            late_records = dict(sending[future] for future in pending)
            # If records for other topics are late too, the broker is slow, and not a custom topic.
            custom = all(record is outcomes[offset].custom_record for offset, record in late_records.items())
            raise DeliveryTimeout(
                dict.fromkeys(late_records, TimeoutError("the topic takes nothing")) if custom else {}
            )
        return replaced

    async def _clean_up(self, producer: BoundedProducer, outcomes: Mapping[int, Outcome]) -> None:
        """Add the deletions of what was kept for the requests.

        Raise `CleanupFailed` if their topic does not take them. The next transaction is without them.
        """
        cleanups = [outcome.cleanup for outcome in outcomes.values()]
        tombstones = [(record, cleanup) for cleanup in cleanups if cleanup for record in cleanup.tombstones]
        if not tombstones:
            return
        try:
            async with asyncio.timeout(self._limits.transaction_seconds * _SEND_TIME_SHARE):
                for sent in [await producer.dispatch(record) for record, _ in tombstones]:
                    await sent
        except ProducerFenced:
            raise
        except (KafkaError, AssertionError, TimeoutError) as error:
            tombstones[0][1].on_failed(error)
            raise CleanupFailed(repr(error)) from error

    def _fall_back(
        self,
        offset: int,
        outcomes: Mapping[int, Outcome],
        replaced: dict[int, Outcome],
        record: OutgoingRecord,
        error: BaseException,
    ) -> None:
        """Add the replacement of an outcome to `replaced`, since its topic has rejected `record`.

        Raise the error if it is no rejection or there is no replacement.
        """
        outcome = replaced.get(offset, outcomes[offset])
        if offset in replaced and record not in outcome.records:
            return  # another record of the outcome was rejected too, and that replacement has no such record
        if isinstance(error, Exception):
            replacement = outcome.fall_back(record, error) if is_record_rejection(error) else None
            if replacement is not None:
                replaced[offset] = replacement
                self._lane.replace_outcome(offset, replacement)
                return
            if record == outcome.custom_record:
                raise DeliveryTimeout({offset: error}) from error
        raise error

"""Delivery in transactions: replies and the ledger that knows of them are there together, or not at all.

Each lane has a producer with a transactional id of its own (KIP-98). Kafka lets only the latest producer of an id
write, so when a partition has moved, its former owner (stopped, cut off, slow) can publish nothing more. The usual
fencing by the group's generation (KIP-447) would save producers, but aiokafka does not have it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed, UnknownTopicOrPartitionError
from aiokafka.structs import OffsetAndMetadata

from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.courier import Courier, Delivering, Undelivered
from carteiro.worker.delivery.metadata import encode
from carteiro.worker.delivery.outcome import Outcome, is_refusal
from carteiro.worker.delivery.producers import TRANSACTION_SECONDS, send, stop_producer, transactional_producer

_SEND_SECONDS = 5.0


class ExactlyOnce(Courier):
    """Delivers a lane's outcomes, some at a time, each time in one transaction."""

    transactional = True

    def __init__(self, options: dict[str, Any], lane: Delivering) -> None:
        self._lane = lane
        self._producer: AIOKafkaProducer | None = None
        self._options = options
        self._one_at_a_time = asyncio.Lock()

    async def open(self) -> None:
        partition = self._lane.partition
        producer = transactional_producer(self._options, f"{self._lane.group}-{partition.topic}-{partition.partition}")
        self._producer = producer
        async with asyncio.timeout(TRANSACTION_SECONDS * 2):
            await producer.start()

    async def deliver(self, outcomes: Mapping[int, Outcome]) -> None:
        while not await self._transaction(outcomes):
            pass

    async def commit(self) -> None:
        await self._transaction({})

    async def publish(self, record: OutgoingRecord) -> None:
        async with self._one_at_a_time:
            if (producer := self._producer) is None:
                raise ProducerClosed
            async with asyncio.timeout(TRANSACTION_SECONDS):
                await producer.begin_transaction()
                await (await send(producer, record))
                await producer.commit_transaction()

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_producer(producer)

    async def _transaction(self, outcomes: Mapping[int, Outcome]) -> bool:
        """Run one transaction. Returns False where a topic refused a record and another now stands in its place."""
        async with self._one_at_a_time:
            producer, lane = self._producer, self._lane
            if producer is None:
                raise ProducerClosed
            # What else finishes meanwhile is for the next transaction.
            ledger = lane.ledger.copy()
            for offset in outcomes:
                ledger.finish(offset)
            commit, kept = OffsetAndMetadata(*encode(ledger, lane.suspects)), lane.kept(ledger)
            async with asyncio.timeout(TRANSACTION_SECONDS):
                await producer.begin_transaction()
                if outcomes and not await self._send(producer, outcomes):
                    await producer.abort_transaction()
                    return False
                for sent in [await send(producer, record) for record in kept]:
                    await sent
                await producer.send_offsets_to_transaction({lane.partition: commit}, lane.group)
                await producer.commit_transaction()
            for offset, outcome in outcomes.items():
                lane.confirm(offset, outcome)
        return True

    async def _send(self, producer: AIOKafkaProducer, outcomes: Mapping[int, Outcome]) -> bool:
        """Send all records and wait for the broker's word. Returns False where one had to be replaced.

        Raises `Undelivered` where the broker does not say a word.
        """
        sending: dict[asyncio.Future[Any], tuple[int, OutgoingRecord]] = {}
        replaced = False
        for offset, outcome in outcomes.items():
            for record in outcome.records:
                try:
                    # A topic that is gone since it was looked up is asked for again and again.
                    async with asyncio.timeout(_SEND_SECONDS if outcome.elsewhere else None):
                        sending[await send(producer, record)] = offset, record
                except (TimeoutError, UnknownTopicOrPartitionError) as error:
                    raise Undelivered([(offset, record)] if outcome.elsewhere else []) from error
                except (KafkaError, AssertionError) as error:
                    _replace(outcome, record, error)
                    replaced = True
        if not sending:
            return not replaced
        done, pending = await asyncio.wait(sending, timeout=_SEND_SECONDS)
        for future in done:
            if (failure := future.exception()) is not None:
                offset, record = sending[future]
                _replace(outcomes[offset], record, failure)
                replaced = True
        if pending:
            late = [sending[future] for future in pending]
            raise Undelivered([each for each in late if outcomes[each[0]].elsewhere])
        return not replaced


def _replace(outcome: Outcome, record: OutgoingRecord, error: BaseException) -> None:
    """Put another record in the place of one that was refused. Raises the error where that is not to be."""
    if not (is_refusal(error) and isinstance(error, Exception) and outcome.refused(record, error)):
        raise error

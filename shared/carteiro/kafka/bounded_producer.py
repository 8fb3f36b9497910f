"""A producer with bounded requests, in which a rejection concerns a single record.

A broker rejects a batch as a whole: because of one record in it, or because the batch is larger than its topic allows.
aiokafka then fails every record of the batch. This producer sends a rejected batch again in halves, until each rejected
record was the only record of its batch.

The classes rest on private names of aiokafka; `tests/unit/worker/test_contract.py` pins them.
"""

import asyncio
import contextlib
import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import (
    KafkaError,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import DefaultPartitioner

from carteiro.concurrency.background_tasks import BackgroundTasks
from carteiro.kafka.bounded_accumulator import BoundedAccumulator, RetrySender
from carteiro.kafka.caller_topics import CallerTopicClient, write_problem
from carteiro.kafka.record_errors import TOO_LARGE, is_record_rejection
from carteiro.wire.compression import DEFAULT_COMPRESSION, Compression, compression_type
from carteiro.wire.record import OutgoingRecord, record_size

MAX_PRODUCE_BYTES = 1_000_000
"""Maximum bytes of a produce request. Azure Event Hubs closes a connection after a request above 1,046,528 bytes."""
_MAX_BATCH_BYTES = 512 * 1024
_REQUEST_OVERHEAD_BYTES = 2_048
"""Bytes of a produce request besides its batches' records."""
_RECORD_OVERHEAD_BYTES = 512
"""Bytes of a batch of one record besides its key, value and headers, with room for the lengths of 30 headers."""
_SIZE_PER_EXPANSION_BYTE = 1024
"""Compression enlarges a batch of random bytes by less than one byte in this number, besides its frame."""
_METADATA_MS = 60_000
_FIND_TOPIC_SECONDS = 2.0
_choose_partition = DefaultPartitioner()


@dataclass(eq=False, slots=True)
class _PendingSend:
    record: OutgoingRecord
    partition: int
    future: asyncio.Future[Any]
    """Done once the broker has acknowledged or rejected this record."""


class CustomTopicOutcome(Protocol):
    """An outcome that may have a record for a topic that is missing or not writable."""

    @property
    def custom_record(self) -> OutgoingRecord | None:
        """The record for that topic; None if there is no such record."""

    @property
    def creates_topic(self) -> bool:
        """True if the broker may create the topic because of a metadata request."""


class BoundedProducer(AIOKafkaProducer):  # type: ignore[misc]
    """A producer with requests of at most `max_produce_bytes` bytes. The other options are aiokafka's.

    A batch is bounded by its size before compression, which is also the memory that a reader needs. From one request to
    the next to the same broker are at least `gather_seconds`. aiokafka's `linger_ms` would delay a single record too.
    """

    def __init__(
        self,
        *,
        max_produce_bytes: int = MAX_PRODUCE_BYTES,
        compression: Compression = DEFAULT_COMPRESSION,
        gather_seconds: float = 0.0,
        **options: Any,
    ) -> None:
        room = max_produce_bytes - _REQUEST_OVERHEAD_BYTES - max_produce_bytes // _SIZE_PER_EXPANSION_BYTE
        super().__init__(
            **options,
            metadata_max_age_ms=_METADATA_MS,
            compression_type=compression_type(compression),
            max_batch_size=min(_MAX_BATCH_BYTES, room),
            max_request_size=room,
        )
        self._accumulator: BoundedAccumulator = self._message_accumulator
        self._accumulator.__class__ = BoundedAccumulator
        self._accumulator.max_request_bytes, self._accumulator.max_batch_bytes, self._accumulator.missing_topics = (
            room,
            {},
            set(),
        )
        self._accumulator.under_min_isr = {}
        self._sender.__class__, self._sender.gather_seconds = RetrySender, gather_seconds
        self.client.__class__ = CallerTopicClient
        self.client.caller_topics = {}
        self._rejected: list[_PendingSend] = []
        self._split_tasks = BackgroundTasks()

    def can_send(self, record: OutgoingRecord) -> bool:
        """Return False if the record is larger than the requests of this producer. The broker may reject it all the
        same.
        """
        return record_size(record) + _RECORD_OVERHEAD_BYTES <= self._accumulator.max_request_bytes

    async def add_to_transaction(self, group: str, topics: Iterable[str]) -> None:
        """Add a group's offsets and all partitions of these topics to the transaction, without anything to write. Its
        end is then marked there. Topics that cannot be found are left out. Raise `KafkaError`.
        """
        for topic in topics:
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_FIND_TOPIC_SECONDS):
                    partitions = await self.partitions_for(topic)
                for partition in partitions:
                    self._txn_manager.maybe_add_partition_to_txn(TopicPartition(topic, partition))
        await asyncio.shield(self._txn_manager.add_offsets_to_txn({}, group))

    async def dispatch(self, record: OutgoingRecord) -> asyncio.Future[Any]:
        """Queue a record for sending. Return a future that is done once the record is acknowledged or has failed.

        Raise `KafkaError` or `AssertionError` if the record cannot be queued.
        """
        known, partition = await self.partitions_for(record.topic), record.partition
        if partition is None:
            available = self.client.cluster.available_partitions_for_topic(record.topic)
            partition = _choose_partition(record.key, sorted(known), sorted(available or ()))
        sending = _PendingSend(record, partition, asyncio.get_running_loop().create_future())
        sending.future.add_done_callback(_retrieve_exception)
        headers = list(record.headers)
        sent = await self.send(record.topic, record.value, record.key, partition, record.timestamp, headers)
        sent.add_done_callback(functools.partial(self._on_sent, sending))
        return sending.future

    async def find_problems(self, outcomes: Mapping[int, CustomTopicOutcome]) -> dict[int, Exception]:
        """Return the errors of outcomes whose custom topics take no records now, by the outcomes' offsets.

        Raise `KafkaError` if no broker answers.
        """
        custom = {offset: outcome for offset, outcome in outcomes.items() if outcome.custom_record is not None}
        callers = {
            each.custom_record.topic for each in custom.values() if each.custom_record and not each.creates_topic
        }
        found = await self.client.find(callers) if callers else ClusterMetadata()
        for topic in callers:
            self._accumulator.set_missing(topic, missing=found.partitions_for_topic(topic) is None)
        problems: dict[int, Exception] = {}
        for offset, outcome in custom.items():
            record = outcome.custom_record
            assert record is not None
            if not outcome.creates_topic:
                problem = write_problem(found, record.topic, record.partition, record.key)
            else:
                problem = await self._find_own_topic(record.topic)
            if problem is not None:
                problems[offset] = problem
        return problems

    def set_missing(self, topic: str, *, missing: bool) -> None:
        """Let the records of a topic fail at once while it is missing, so that a stop does not wait for them."""
        self._accumulator.set_missing(topic, missing=missing)

    def has_metadata(self, topic: str) -> bool:
        """Return True if the cached metadata has the topic."""
        return self.client.cluster.partitions_for_topic(topic) is not None

    async def _find_own_topic(self, topic: str) -> KafkaError | None:
        """Look up a topic of our own. The broker may create it because of the request."""
        if not self.has_metadata(topic):
            self.client.add_topic(topic)
            await self.client.force_metadata_update()
        return None if self.has_metadata(topic) else UnknownTopicOrPartitionError(topic)

    async def stop(self) -> None:
        """Stop. Rejected records that are not resolved yet are not sent again."""
        await self.cancel_splits()
        await super().stop()

    async def cancel_splits(self) -> None:
        """Stop sending parts of rejected batches. The caller sends their records again, or drops them."""
        await self._split_tasks.cancel()
        self._rejected.clear()

    def _on_sent(self, sending: _PendingSend, sent: asyncio.Future[Any]) -> None:
        if sending.future.done():
            _retrieve_exception(sent)
            return
        if sent.cancelled():
            sending.future.cancel()
        elif (error := sent.exception()) is None:
            sending.future.set_result(sent.result())
        elif is_record_rejection(error):
            # The other records of the batch fail in the same step of the event loop, so they are collected first.
            if not self._rejected:
                asyncio.get_running_loop().call_soon(self._split_rejected)
            self._rejected.append(sending)
        else:
            sending.future.set_exception(error)

    def _split_rejected(self) -> None:
        batches: dict[TopicPartition, list[_PendingSend]] = defaultdict(list)
        for sending in self._rejected:
            partition = TopicPartition(sending.record.topic, sending.partition)
            batches[partition].append(sending)
        self._rejected.clear()
        for partition, batch in batches.items():
            self._split_tasks.start(self._send_split(partition, batch))

    async def _send_split(self, partition: TopicPartition, batch: Sequence[_PendingSend]) -> None:
        """Send the halves of a rejected batch. A single record is also sent again: it may have shared a batch."""
        middle = (len(batch) + 1) // 2
        for part in filter(None, (batch[:middle], batch[middle:])):
            try:
                sent_count = await self._send_batch(partition, part)
            except (KafkaError, AssertionError) as error:
                if not is_record_rejection(error) or len(part) == 1:
                    for sending in part:
                        _resolve(sending, error)
                    continue
                if isinstance(error, TOO_LARGE):
                    self._accumulator.limit_batch_bytes(
                        partition.topic, sum(record_size(sending.record) for sending in part) // 2
                    )
                await self._send_split(partition, part)
            else:
                for sending in part[:sent_count]:
                    _resolve(sending, None)
                if sent_count < len(part):
                    await self._send_split(partition, part[sent_count:])

    async def _send_batch(self, partition: TopicPartition, part: Sequence[_PendingSend]) -> int:
        """Send records as one batch. Return the number of records that fit. Raise the broker's rejection."""
        builder = self.create_batch()
        count = 0
        for sending in part:
            record = sending.record
            headers = list(record.headers)
            sent_at, key, value = record.timestamp, record.key, record.value
            if builder.append(timestamp=sent_at, key=key, value=value, headers=headers) is None:
                break
            count += 1
        builder.close()
        await (await self.send_batch(builder, partition.topic, partition=partition.partition))
        return count


def _resolve(pending: _PendingSend, error: BaseException | None) -> None:
    if pending.future.done():
        return
    if error is None:
        pending.future.set_result(None)
    else:
        pending.future.set_exception(error)


def _retrieve_exception(future: asyncio.Future[Any]) -> None:
    # asyncio logs exceptions that are never retrieved, such as those of records after the first failure.
    if not future.cancelled():
        future.exception()

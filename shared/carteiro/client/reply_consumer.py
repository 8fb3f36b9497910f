"""Consumer of the reply topics: one for a client, which hands each reply to the call that waits for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError

from carteiro.client.errors import CarteiroError
from carteiro.wire.record import last_header
from carteiro.wire.record_batches.tolerant_reader import RAW_BATCH_OPTIONS, poll_records

log = logging.getLogger("carteiro.client")


_NEW_PARTITIONS_SECONDS = 1.0

ReplyRecord = tuple[bytes, bool]
"""A record's value, and True if it is the whole reply. If it is False, more records follow."""


class ReplyConsumer:
    """Consumer that hands replies to the calls that wait for them, by correlation id.

    The consumer has no group. Every client reads all of a reply topic from its end on, and keeps only its own replies.
    So several clients never take replies from each other.
    """

    def __init__(self, options: dict[str, Any], partitions: Callable[[str], Awaitable[set[int]]]) -> None:
        """`options` are aiokafka's. `partitions` asks the broker for the current partitions of a topic."""
        self._list_partitions = partitions
        # A reply of an aborted transaction does not count: its request is answered again.
        self._consumer = AIOKafkaConsumer(
            **options,
            **RAW_BATCH_OPTIONS,
            auto_offset_reset="latest",
            enable_auto_commit=False,
            isolation_level="read_committed",
        )
        self._pending: dict[bytes, asyncio.Queue[ReplyRecord | CarteiroError]] = {}
        self._assigned: set[TopicPartition] = set()
        self._assign_lock = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._assignments: set[asyncio.Timeout] = set()
        """Subscriptions in progress; they end when the client is stopped."""
        self._stopped = False

    async def start(self) -> None:
        """Connect. Raise aiokafka's `KafkaError` if that fails."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Disconnect. Calls that still wait raise `CarteiroError`."""
        self._stopped = True
        for assignment in self._assignments:
            assignment.reschedule(0.0)
        for queue in self._pending.values():
            queue.put_nowait(CarteiroError("the client was stopped"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._consumer.stop()

    async def add_partitions(self, topic: str, partitions: set[int]) -> None:
        """Read these partitions from now on. When this returns, no reply sent later is missed."""
        wanted = {TopicPartition(topic, partition) for partition in partitions}
        if wanted <= self._assigned:
            return
        self._check_running()
        try:
            async with asyncio.timeout(None) as assignment:
                self._assignments.add(assignment)
                await self._assign(topic, wanted)
        except TimeoutError:
            self._check_running()
            raise
        finally:
            self._assignments.discard(assignment)

    async def _assign(self, topic: str, wanted: set[TopicPartition]) -> None:
        async with self._assign_lock:
            new = wanted - self._assigned
            if not new:
                return
            # An assignment replaces the previous assignment, its positions included.
            positions = {each: await self._consumer.position(each) for each in self._assigned}
            self._consumer.assign([*self._assigned, *new])
            for each, position in positions.items():
                self._consumer.seek(each, position)
            if any(each.topic == topic for each in self._assigned):
                # All records of a partition that was added later came after the client began to read.
                await self._consumer.seek_to_beginning(*new)
            else:
                await self._consumer.seek_to_end(*new)
            for each in new:
                await self._consumer.position(each)
            self._assigned |= new
            self._tasks = self._tasks or [
                asyncio.create_task(self._read()),
                asyncio.create_task(self._watch_new_partitions()),
            ]

    @contextmanager
    def expect_reply(self, correlation_id: bytes) -> Iterator[Callable[[], Awaitable[ReplyRecord]]]:
        """Register a correlation id while the context is open. The function it gives waits for the next record with
        that id.
        """
        self._check_running()
        queue = self._pending[correlation_id] = asyncio.Queue()

        async def next_one() -> ReplyRecord:
            came = await queue.get()
            if isinstance(came, CarteiroError):
                raise came
            return came

        try:
            yield next_one
        finally:
            del self._pending[correlation_id]

    def _check_running(self) -> None:
        if self._stopped:
            raise CarteiroError("the client was stopped")

    async def _watch_new_partitions(self) -> None:
        """While calls wait, follow partitions that are added to the topics: a reply may be in one of them."""
        while True:
            await asyncio.sleep(_NEW_PARTITIONS_SECONDS)
            if not self._pending:
                continue
            for topic in {each.topic for each in self._assigned}:
                try:
                    await self.add_partitions(topic, await self._list_partitions(topic))
                except Exception as error:  # noqa: BLE001  # the next attempt may succeed
                    log.warning("cannot look for new partitions of %s, trying again: %r", topic, error)

    async def _read(self) -> None:
        while True:
            try:
                batches = await poll_records(self._consumer, 1000)
            except ConsumerStoppedError:
                return
            except Exception as error:  # noqa: BLE001
                # Many producers share the topic: an unreadable record must not end the wait for the next reply.
                log.warning("cannot read replies, trying again: %r", error)
                await asyncio.sleep(1)
                continue
            for records in batches.values():
                for record in records:
                    queue = self._pending.get(last_header(record.headers, "correlation_id") or b"")
                    if queue is not None:
                        whole = last_header(record.headers, "final") != b"false"
                        queue.put_nowait((record.value or b"", whole))

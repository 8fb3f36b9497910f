"""Reading reply topics: one consumer for a client, each reply to the call that waits for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError

from carteiro.client.errors import CarteiroError
from carteiro.wire.record import last_header

log = logging.getLogger("carteiro.client")


Came = tuple[bytes, bool]
"""A record's value, and whether it is the whole reply: where it is not, more will come."""


class Replies:
    """Hands replies to those who wait for them, by correlation id.

    The consumer has no group: every client reads all of a reply topic from its end on and keeps what is its
    own, so clients side by side never take replies from each other.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        # A reply of a transaction that is aborted is none: its request is answered again.
        self._consumer = AIOKafkaConsumer(
            **options, auto_offset_reset="latest", enable_auto_commit=False, isolation_level="read_committed"
        )
        self._waiting: dict[bytes, asyncio.Queue[Came | CarteiroError]] = {}
        self._following: set[TopicPartition] = set()
        self._assigning = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect. Raises aiokafka's `KafkaError`."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Disconnect; whoever still waits gets a `CarteiroError`."""
        for queue in self._waiting.values():
            queue.put_nowait(CarteiroError("the client was stopped"))
        if self._reader:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        await self._consumer.stop()

    async def follow(self, topic: str, partitions: set[int]) -> None:
        """Read these partitions from now on. When this returns, no reply sent later is missed."""
        wanted = {TopicPartition(topic, partition) for partition in partitions}
        if wanted <= self._following:
            return
        async with self._assigning:
            new = wanted - self._following
            if not new:
                return
            # An assignment replaces the one before, its positions included.
            positions = {each: await self._consumer.position(each) for each in self._following}
            self._consumer.assign([*self._following, *new])
            for each, position in positions.items():
                self._consumer.seek(each, position)
            if any(each.topic == topic for each in self._following):
                # A partition that was added to a topic since: all that is in it came after we began to read.
                await self._consumer.seek_to_beginning(*new)
            else:
                await self._consumer.seek_to_end(*new)
            for each in new:
                await self._consumer.position(each)
            self._following |= new
            self._reader = self._reader or asyncio.create_task(self._read())

    @contextmanager
    def expect(self, correlation_id: bytes) -> Iterator[Callable[[], Awaitable[Came]]]:
        """Within it, what is given waits for the next record with this correlation id, and returns its value."""
        queue = self._waiting[correlation_id] = asyncio.Queue()

        async def next_one() -> Came:
            came = await queue.get()
            if isinstance(came, CarteiroError):
                raise came
            return came

        try:
            yield next_one
        finally:
            del self._waiting[correlation_id]

    async def _read(self) -> None:
        while True:
            try:
                batches = await self._consumer.getmany(timeout_ms=1000)
            except ConsumerStoppedError:
                return
            except Exception as error:  # noqa: BLE001
                # Whatever stands in a topic that many share, the next reply is waited for.
                log.warning("cannot read replies, trying again: %r", error)
                await asyncio.sleep(1)
                continue
            for records in batches.values():
                for record in records:
                    queue = self._waiting.get(last_header(record.headers, "correlation_id") or b"")
                    if queue is not None:
                        whole = last_header(record.headers, "final") != b"false"
                        queue.put_nowait((record.value or b"", whole))

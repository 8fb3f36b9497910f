"""Reading reply topics: one consumer for a client, each reply to the call that waits for it."""

import asyncio
import logging
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError

from carteiro.client.errors import CarteiroError
from carteiro.wire.record import last_header

log = logging.getLogger("carteiro.client")


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
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._following: set[TopicPartition] = set()
        self._assigning = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect. Raises aiokafka's `KafkaError`."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Disconnect; whoever still waits gets a `CarteiroError`."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(CarteiroError("the client was stopped"))
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

    async def reply_to(self, correlation_id: bytes, sent: Any) -> bytes:
        """The value of the reply with this correlation id, once `sent` (an awaitable) has been awaited."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = future
        try:
            await sent
            return await future
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
                    future = self._waiting.get(last_header(record.headers, "correlation_id") or b"")
                    if future and not future.done():
                        future.set_result(record.value or b"")

"""A producer and consumer that is not ours: bare aiokafka, as a team without the client would use it."""

import asyncio
import json
import uuid
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.record.util import calc_crc32c

Headers = list[tuple[str, bytes]]


class Peer:
    """Sends records, and collects those of a topic from now on."""

    def __init__(self, address: str, replies: str) -> None:
        self.address = address
        self.replies = replies
        self.records: list[ConsumerRecord[Any, Any]] = []

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(bootstrap_servers=self.address, max_request_size=8 * 2**20)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self.address, max_partition_fetch_bytes=8 * 2**20)
        await self._producer.start()
        await self._consumer.start()
        partitions = [TopicPartition(self.replies, each) for each in await self._producer.partitions_for(self.replies)]
        self._consumer.assign(partitions)
        await self._consumer.seek_to_end(*partitions)
        for each in partitions:
            await self._consumer.position(each)
        self._collecting = asyncio.create_task(self._collect())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._collecting.cancel()
        await asyncio.gather(self._collecting, return_exceptions=True)
        await self._consumer.stop()
        await self._producer.stop()

    async def _collect(self) -> None:
        async for record in self._consumer:
            self.records.append(record)

    async def send(
        self, topic: str, value: bytes | None, headers: Headers | None = None, key: bytes | None = None, **more: Any
    ) -> Any:
        return await self._producer.send_and_wait(topic, value, key, headers=headers or [], **more)

    async def send_with_bad_header_name(self, topic: str, partition: int) -> None:
        """Send what aiokafka refuses to send, and to read: a record with a header name that is not UTF-8."""
        batch = self._producer.create_batch()
        batch.append(key=None, value=b"{}", timestamp=None, headers=[("name", b"")])
        batch.close()
        written = bytearray(batch._build()).replace(b"name", b"\xff\xfe\xfd\xfc")
        # The batch's CRC-32C is at its 18th byte and covers all that follows.
        written[17:21] = calc_crc32c(bytes(written[21:])).to_bytes(4, "big")
        batch._buffer = bytes(written)
        await (await self._producer.send_batch(batch, topic, partition=partition))

    async def reply(self, name: str, value: bytes, seconds: float = 60.0) -> ConsumerRecord[Any, Any]:
        """The record that carries this header, once it is there."""
        async with asyncio.timeout(seconds):
            while True:
                for record in self.records:
                    if (name, value) in record.headers:
                        return record
                await asyncio.sleep(0.02)

    async def ask(
        self, topic: str, body: Any, headers: Headers | None = None, key: bytes | None = None, **more: Any
    ) -> tuple[dict[str, Any], ConsumerRecord[Any, Any]]:
        """Send a request with a correlation id of its own; the reply's JSON, and its record."""
        correlation_id = uuid.uuid4().hex.encode()
        value = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        await self.send(topic, value, [("correlation_id", correlation_id), *(headers or [])], key, **more)
        record = await self.reply("correlation_id", correlation_id)
        return json.loads(record.value), record

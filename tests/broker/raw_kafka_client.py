"""A Kafka client without Carteiro's code: plain aiokafka, as a team without our client would use it."""

import asyncio
import json
import uuid
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.record.util import calc_crc32c

Headers = list[tuple[str, bytes]]


class RawKafkaClient:
    """Client that sends records, and collects the records of a topic from its start on."""

    def __init__(self, address: str, replies: str, isolation_level: str = "read_uncommitted") -> None:
        self.address = address
        self.replies = replies
        self._isolation_level = isolation_level
        self.records: list[ConsumerRecord[Any, Any]] = []

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(bootstrap_servers=self.address, max_request_size=8 * 2**20)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self.address,
            max_partition_fetch_bytes=8 * 2**20,
            isolation_level=self._isolation_level,
        )
        await self._producer.start()
        await self._consumer.start()
        partitions = [TopicPartition(self.replies, each) for each in await self._producer.partitions_for(self.replies)]
        self._consumer.assign(partitions)
        await self._consumer.seek_to_end(*partitions)
        for each in partitions:
            await self._consumer.position(each)
        self._collector_task = asyncio.create_task(self._collect())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._collector_task.cancel()
        await asyncio.gather(self._collector_task, return_exceptions=True)
        await self._consumer.stop()
        await self._producer.stop()

    async def _collect(self) -> None:
        async for record in self._consumer:
            self.records.append(record)

    async def send(
        self, topic: str, value: bytes | None, headers: Headers | None = None, key: bytes | None = None, **more: Any
    ) -> Any:
        return await self._producer.send_and_wait(topic, value, key, headers=headers or [], **more)

    async def send_with_bad_header_name(self, topic: str, partition: int, correlation_id: bytes) -> None:
        """Send a record whose header name is not UTF-8. Aiokafka refuses to send and to read it."""
        batch = self._producer.create_batch()
        headers = [("name", b""), ("correlation_id", correlation_id)]
        batch.append(key=None, value=b'{"prompt": "x"}', timestamp=None, headers=headers)
        batch.close()
        written = bytearray(batch._build()).replace(b"name", b"\xff\xfe\xfd\xfc")
        # The batch's CRC-32C starts at byte 17 and covers all bytes from 21 on.
        written[17:21] = calc_crc32c(bytes(written[21:])).to_bytes(4, "big")
        await self.send_batch(topic, partition, bytes(written))

    async def send_batch(self, topic: str, partition: int, raw: bytes) -> Any:
        """Send an encoded record batch unchanged."""
        batch = self._producer.create_batch()
        batch.append(key=None, value=b"", timestamp=None)
        batch.close()
        batch._build()
        batch._buffer = raw
        return await (await self._producer.send_batch(batch, topic, partition=partition))

    async def reply(self, name: str, value: bytes, seconds: float = 60.0) -> ConsumerRecord[Any, Any]:
        """Wait for the record with this header, and return it."""
        async with asyncio.timeout(seconds):
            while True:
                for record in self.records:
                    if (name, value) in record.headers:
                        return record
                await asyncio.sleep(0.02)

    async def ask(
        self, topic: str, body: Any, headers: Headers | None = None, key: bytes | None = None, **more: Any
    ) -> tuple[dict[str, Any], ConsumerRecord[Any, Any]]:
        """Send a request with its own correlation id. Return the reply's JSON and its record."""
        value = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        record = await self.exchange(topic, value, headers, key, **more)
        return json.loads(record.value), record

    async def exchange(
        self, topic: str, value: bytes | None, headers: Headers | None = None, key: bytes | None = None, **more: Any
    ) -> ConsumerRecord[Any, Any]:
        """Send a request with its own correlation id. Return the first record of its reply."""
        correlation_id = uuid.uuid4().hex.encode()
        await self.send(topic, value, [("correlation_id", correlation_id), *(headers or [])], key, **more)
        return await self.reply("correlation_id", correlation_id)

"""Requests with correlation ids, and the replies to them as any reader of the topic gets them."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.structs import RecordMetadata

from tests.conftest import eventually

Headers = list[tuple[str, bytes]]
CORRELATION = "correlation_id"
SEND_SECONDS = 240


class Reader:
    """Collects the records of a topic from its beginning, by correlation id, at an isolation level."""

    def __init__(self, address: str, topic: str, isolation_level: str) -> None:
        self._address, self.topic, self._isolation_level = address, topic, isolation_level
        self.records: dict[str, list[ConsumerRecord[Any, Any]]] = defaultdict(list)
        self.in_order: list[ConsumerRecord[Any, Any]] = []

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._address,
            isolation_level=self._isolation_level,
            auto_offset_reset="earliest",
            metadata_max_age_ms=10_000,
        )
        await self._consumer.start()
        await self._consumer._client.set_topics([self.topic])
        partitions = self._consumer.partitions_for_topic(self.topic)
        assert partitions, f"there is no topic {self.topic}"
        self._consumer.assign([TopicPartition(self.topic, each) for each in partitions])
        self._collecting = asyncio.create_task(self._collect())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._collecting.cancel()
        await asyncio.gather(self._collecting, return_exceptions=True)
        await self._consumer.stop()

    async def _collect(self) -> None:
        async for record in self._consumer:
            self.in_order.append(record)
            self.records[dict(record.headers)[CORRELATION].decode()].append(record)

    def check(self) -> None:
        """Raise what ended the reading, if something did."""
        if self._collecting.done():
            self._collecting.result()


class Traffic:
    """A producer of requests, and readers of their replies and dead letters.

    Each request has a correlation id of its own, its number; by it `prompts` has its prompt and `sent` its place.
    """

    def __init__(
        self,
        address: str,
        topics: tuple[str, str, str],
        *,
        isolation_level: str = "read_committed",
        task: str = "generate",
    ) -> None:
        self._address, self._task = address, task
        self.requests, replies, dead = topics
        self._replies = Reader(address, replies, isolation_level)
        self._dead = Reader(address, dead, isolation_level)
        self.prompts: dict[str, str] = {}
        self.sent: dict[str, RecordMetadata] = {}

    async def __aenter__(self) -> Self:
        # A request that the test itself doubled would look like a reply that the worker doubled.
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._address, enable_idempotence=True, request_timeout_ms=SEND_SECONDS * 1000
        )
        await self._producer.start()
        await self._replies.__aenter__()
        await self._dead.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._dead.__aexit__()
        await self._replies.__aexit__()
        await self._producer.stop()

    async def send(
        self,
        prompts: Iterable[str],
        *,
        per_second: float | None = None,
        partition: int | None = None,
        key: str | None = None,
        headers: Headers | None = None,
        options: dict[str, Any] | None = None,
    ) -> list[str]:
        """Send one request for each prompt, in order; their correlation ids, once the broker has them all."""
        loop, ids, confirmations = asyncio.get_running_loop(), [], []
        began = loop.time()
        for prompt in prompts:
            correlation_id = str(len(self.prompts))
            self.prompts[correlation_id] = prompt
            ids.append(correlation_id)
            confirmation = await self._producer.send(
                self.requests,
                json.dumps(self._body(prompt) | ({"options": options} if options else {})).encode(),
                key=key.encode() if key else None,
                partition=partition,
                headers=[(CORRELATION, correlation_id.encode()), *(headers or [])],
            )
            confirmations.append(confirmation)
            if per_second:
                await asyncio.sleep(began + len(ids) / per_second - loop.time())
        self.sent.update(zip(ids, await asyncio.gather(*confirmations), strict=True))
        return ids

    def _body(self, prompt: str) -> dict[str, Any]:
        if self._task == "chat":
            return {"messages": [{"role": "user", "content": prompt}]}
        return {"prompt": prompt}

    async def reached(self, replies: int, seconds: float = 120.0) -> bool:
        """Return once so many requests have a reply; False where no further reply has come for so long."""
        loop = asyncio.get_running_loop()
        last, since = self.count, loop.time()
        while self.count < replies:
            self._replies.check()
            if self.count > last:
                last, since = self.count, loop.time()
            if loop.time() - since > seconds:
                return False
            await asyncio.sleep(0.02)
        return True

    async def answered(self, ids: Collection[str], seconds: float = 120.0) -> None:
        """Return once each of these requests has a reply."""
        waiting = list(ids)

        def all_there() -> bool:
            self._replies.check()
            while waiting and waiting[-1] in self._replies.records:
                waiting.pop()
            return not waiting

        try:
            await eventually(all_there, seconds)
        except AssertionError:
            raise AssertionError(f"no reply to {self.unanswered(ids)}") from None

    def unanswered(self, ids: Collection[str] | None = None) -> list[str]:
        """Those of the requests (by default of all) that have no reply yet."""
        return [each for each in (ids or self.prompts) if each not in self._replies.records]

    @property
    def count(self) -> int:
        """How many requests have a reply."""
        return len(self._replies.records)

    @property
    def doubled(self) -> list[str]:
        """A correlation id for each reply too many."""
        return [each for each, records in self._replies.records.items() for _ in records[1:]]

    def reply(self, correlation_id: str) -> dict[str, Any]:
        """The one reply of a request."""
        (record,) = self._replies.records[correlation_id]
        reply: dict[str, Any] = json.loads(record.value)
        return reply

    def is_ok(self, correlation_id: str) -> bool:
        """Whether no reply of the request is an error."""
        return all(json.loads(record.value)["status"] == "ok" for record in self._replies.records[correlation_id])

    def record(self, correlation_id: str) -> ConsumerRecord[Any, Any]:
        """The record of a request's first reply."""
        return self._replies.records[correlation_id][0]

    @property
    def replies(self) -> list[ConsumerRecord[Any, Any]]:
        """All replies; those of one partition are in its order."""
        return self._replies.in_order

    @property
    def dead(self) -> list[ConsumerRecord[Any, Any]]:
        """All dead letters."""
        return self._dead.in_order

    def codes(self, ids: Collection[str]) -> set[str]:
        """`ok`, or the error's code, of each of these requests' replies."""
        replies = [self.reply(each) for each in ids]
        return {reply["status"] if reply["status"] == "ok" else reply["error"]["code"] for reply in replies}

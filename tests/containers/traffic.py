"""Requests with correlation ids, and their replies as any reader of the topic gets them."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.structs import RecordMetadata

from tests.conftest import eventually, eventually_true
from tests.provider.summaries import long_text

Headers = list[tuple[str, bytes]]
CORRELATION = "correlation_id"
SEND_SECONDS = 240


class TopicReader:
    """Collector of a topic's records from its beginning, by correlation id, at an isolation level."""

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

        async def is_found() -> bool:  # A broker learns of a new topic some time after it was created.
            await self._consumer._client.force_metadata_update()
            return bool(self._consumer.partitions_for_topic(self.topic))

        await eventually_true(is_found)
        partitions = self._consumer.partitions_for_topic(self.topic)
        self._consumer.assign([TopicPartition(self.topic, each) for each in partitions])
        self._collector_task = asyncio.create_task(self._collect())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._collector_task.cancel()
        await asyncio.gather(self._collector_task, return_exceptions=True)
        await self._consumer.stop()

    async def _collect(self) -> None:
        async for record in self._consumer:
            self.in_order.append(record)
            self.records[dict(record.headers)[CORRELATION].decode()].append(record)

    def check(self) -> None:
        """Raise the error that ended the reading, if there is one."""
        if self._collector_task.done():
            self._collector_task.result()


class Traffic:
    """A producer of requests, and readers of their replies and dead letters.

    Each request has its own correlation id, its number. By this id, `prompts` has the prompt and `sent` the record id.
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
        self._replies = TopicReader(address, replies, isolation_level)
        self._dead = TopicReader(address, dead, isolation_level)
        self.prompts: dict[str, str] = {}
        self.sent: dict[str, RecordMetadata] = {}

    async def __aenter__(self) -> Self:
        # A request that the test itself sent twice would look like a reply that the worker sent twice.
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
        keys: int = 0,
        headers: Headers | None = None,
        options: dict[str, Any] | None = None,
    ) -> list[str]:
        """Send a request for each prompt, in order. Return their correlation ids once the broker has all of them.

        All have the same `key`, or one of so many `keys` in turn.
        """
        loop, ids, confirmations = asyncio.get_running_loop(), [], []
        began = loop.time()
        for prompt in prompts:
            correlation_id = str(len(self.prompts))
            self.prompts[correlation_id] = prompt
            ids.append(correlation_id)
            its_key = str(len(ids) % keys) if keys else key
            confirmation = await self._producer.send(
                self.requests,
                json.dumps(self._body(prompt) | ({"options": options} if options else {})).encode(),
                key=its_key.encode() if its_key else None,
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
        if self._task == "summarize":
            return {"text": long_text(prompt.split(maxsplit=2)[1], 40)}
        return {"prompt": prompt}

    async def wait_for_replies(self, replies: int, seconds: float = 120.0) -> bool:
        """Return once so many requests have a reply. Return False if no further reply arrives for `seconds`."""
        loop = asyncio.get_running_loop()
        last, since = self.reply_count, loop.time()
        while self.reply_count < replies:
            self._replies.check()
            if self.reply_count > last:
                last, since = self.reply_count, loop.time()
            if loop.time() - since > seconds:
                return False
            await asyncio.sleep(0.02)
        return True

    async def wait_until_answered(self, ids: Collection[str], seconds: float = 120.0) -> None:
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
        """Return the requests (by default of all) that have no reply yet."""
        return [each for each in (ids or self.prompts) if each not in self._replies.records]

    @property
    def reply_count(self) -> int:
        """Return the number of requests with a reply."""
        return len(self._replies.records)

    @property
    def duplicates(self) -> list[str]:
        """Return a correlation id for each surplus reply."""
        return [each for each, records in self._replies.records.items() for _ in records[1:]]

    def reply(self, correlation_id: str) -> dict[str, Any]:
        """Return the only reply of a request."""
        (record,) = self._replies.records[correlation_id]
        reply: dict[str, Any] = json.loads(record.value)
        return reply

    def served_requests(self, ids: Iterable[str]) -> dict[str, list[str]]:
        """Return the ids of the requests that the replies with these correlation ids name."""
        return {each: [json.loads(reply.value)["request_id"] for reply in self._replies.records[each]] for each in ids}

    def is_ok(self, correlation_id: str) -> bool:
        """True if no reply of the request is an error."""
        return all(_is_ok(json.loads(record.value)) for record in self._replies.records[correlation_id])

    def record(self, correlation_id: str) -> ConsumerRecord[Any, Any]:
        """Return the record of a request's first reply."""
        return self._replies.records[correlation_id][0]

    @property
    def replies(self) -> list[ConsumerRecord[Any, Any]]:
        """Return all replies. The replies of a partition are in its order."""
        return self._replies.in_order

    @property
    def overtaken(self) -> int:
        """Return the number of replies that come after a reply to a later request with the same key."""
        latest, overtaken = dict[bytes, int](), 0
        for record in self._replies.in_order:
            number = int(dict(record.headers)[CORRELATION])
            if record.key is not None and number < latest.get(record.key, -1):
                overtaken += 1
            elif record.key is not None:
                latest[record.key] = number
        return overtaken

    @property
    def dead_letters(self) -> list[ConsumerRecord[Any, Any]]:
        """Return all dead letters."""
        return self._dead.in_order

    def codes(self, ids: Collection[str]) -> set[str]:
        """Return `ok` or the error's code for the replies of these requests."""
        replies = [self.reply(each) for each in ids]
        return {reply["status"] if reply["status"] == "ok" else reply["error"]["code"] for reply in replies}


def _is_ok(value: dict[str, Any]) -> bool:
    """True if a reply is no error, or an event has all of its results."""
    return bool(value["status"] == "ok") if "status" in value else value["ai"].keys() == {"echo"}

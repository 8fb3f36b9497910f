"""A service without Carteiro's code: plain aiokafka that answers requests when the test lets it."""

import asyncio
import json
import math
import uuid
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from carteiro.wire.record import last_header, record_id

BATCH_USD, LIVE_USD = 0.001, 0.002


class FakeService:
    """Service that answers summarize requests under its own topic prefix. The text `fail` gets an error."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.prefix = f"t{uuid.uuid4().hex[:8]}"
        self.environment = {"CARTEIRO_BOOTSTRAP_SERVERS": address, "CARTEIRO_TOPIC_PREFIX": self.prefix}
        self.requests: list[ConsumerRecord[Any, Any]] = []
        self.answered = 0
        self.max_open = 0
        self.max_answers: float = math.inf
        """Number of requests that it answers. Later requests wait until the number grows."""

    @property
    def open(self) -> int:
        return len(self.requests) - self.answered

    async def __aenter__(self) -> Self:
        requests, self._replies = f"{self.prefix}.summarize.requests", f"{self.prefix}.summarize.replies"
        self._producer = AIOKafkaProducer(bootstrap_servers=self.address)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self.address, auto_offset_reset="earliest")
        await self._producer.start()
        await self._consumer.start()
        await self._producer.partitions_for(self._replies)
        partitions = [TopicPartition(requests, each) for each in await self._producer.partitions_for(requests)]
        self._consumer.assign(partitions)
        await self._consumer.seek_to_beginning(*partitions)
        self._serve_task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._serve_task.cancel()
        await asyncio.gather(self._serve_task, return_exceptions=True)
        await self._consumer.stop()
        await self._producer.stop()

    async def _serve(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=20)).values():
                self.requests += records
            self.max_open = max(self.max_open, self.open)
            sent = []
            while self.open and self.answered < self.max_answers:
                sent.append(await self._answer(self.requests[self.answered]))
                self.answered += 1
            await asyncio.gather(*sent)

    async def _answer(self, record: ConsumerRecord[Any, Any]) -> Any:
        headers = [("correlation_id", last_header(record.headers, "correlation_id") or b"")]
        value = json.dumps(reply_to(record)).encode()
        return await self._producer.send(self._replies, value, record.key, headers=headers)


def reply_to(record: ConsumerRecord[Any, Any]) -> dict[str, Any]:
    request = json.loads(record.value)
    batch = "wait" in request.get("options", {})
    reply = {"task": "summarize", "request_id": record_id(record)}
    if request["text"] == "fail":
        error = {"code": "model_refused", "message": "the model declined to answer", "retryable": False}
        return reply | {"status": "error", "error": error}
    return reply | {
        "status": "ok",
        "result": {"summary": request["text"], "parts": 1},
        "model": "echo",
        "usage": {
            "input_tokens": 3,
            "output_tokens": 2,
            "cost_usd": BATCH_USD if batch else LIVE_USD,
            "service_tier": "batch" if batch else None,
        },
        "timing": {"queue_ms": 1, "work_ms": 2},
    }

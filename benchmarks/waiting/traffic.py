"""A live stream and a heap of requests that can wait, on the same topics."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

LATENCY = 0.2
"""Seconds that the model takes for a live call."""
_WORDS = "The lighthouse keeper counts the ships of the night, and writes their names into a book. " * 8


@dataclass(slots=True)
class Counted:
    """What has come back of one kind of request."""

    sent: int = 0
    seconds: list[float] = field(default_factory=list)
    """From sending to reply, of each."""
    cost_usd: float = 0.0
    by_batch: int = 0
    errors: int = 0

    def quantile(self, share: float) -> float:
        """By when this share of the replies was there."""
        ordered = sorted(self.seconds)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class Traffic:
    """Sends requests, and counts their replies as they come."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partitions: int) -> None:
        self._producer, self._topic, self._partitions = producer, topic, partitions
        self._asked: dict[bytes, tuple[Counted, float]] = {}
        self._number = 0

    async def send(self, counted: Counted, prompt: str, **options: str) -> None:
        """Send one request."""
        self._number += 1
        name = b"%d" % self._number
        body = {"prompt": f"{_WORDS}{self._number} {prompt}", "options": options}
        self._asked[name] = counted, time.perf_counter()
        counted.sent += 1
        await self._producer.send(
            self._topic,
            json.dumps(body).encode(),
            partition=self._number % self._partitions,
            headers=[("correlation_id", name)],
        )

    async def stream(self, counted: Counted, per_second: float, seconds: float) -> None:
        """Send live requests at that rate for so long."""
        began = time.perf_counter()
        for number in range(round(per_second * seconds)):
            await self.send(counted, f"wait={LATENCY}")
            await asyncio.sleep(max(began + number / per_second - time.perf_counter(), 0))

    async def heap(self, counted: Counted, count: int, per_second: float) -> None:
        """Send requests that can wait, at that rate."""
        began = time.perf_counter()
        for number in range(count):
            await self.send(counted, "at any time", wait="24h")
            if number % 10 == 0:
                await asyncio.sleep(max(began + number / per_second - time.perf_counter(), 0))

    async def collect(self, consumer: AIOKafkaConsumer) -> None:
        """Count replies until cancelled."""
        record: Any
        async for record in consumer:
            counted, asked = self._asked.pop(dict(record.headers)["correlation_id"])
            reply = json.loads(record.value)
            counted.seconds.append(time.perf_counter() - asked)
            if reply["status"] != "ok":
                counted.errors += 1
                continue
            counted.cost_usd += reply["usage"]["cost_usd"]
            counted.by_batch += reply["usage"]["service_tier"] == "batch"


async def answered(counted: Counted, within: float) -> None:
    """Return once all that was sent is answered. Raises `TimeoutError`."""
    async with asyncio.timeout(within):
        while len(counted.seconds) < counted.sent:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def reading(consumer: AIOKafkaConsumer, topic: str, partitions: int) -> None:
    """Have the consumer read a topic from its beginning."""
    consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
    await consumer.seek_to_beginning()

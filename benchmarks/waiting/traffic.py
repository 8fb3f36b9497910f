"""A live stream and many deferrable requests on the same topics."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

LATENCY = 0.2
"""Latency of the model for a live call, in seconds."""
_WORDS = "The lighthouse keeper counts the ships of the night, and writes their names into a book. " * 8


@dataclass(slots=True)
class ReplyStats:
    """Replies to one kind of request."""

    sent: int = 0
    seconds: list[float] = field(default_factory=list)
    """Seconds from sending to reply, for each request."""
    cost_usd: float = 0.0
    by_batch: int = 0
    errors: int = 0

    def quantile(self, share: float) -> float:
        """Return the quantile `share` of the seconds."""
        ordered = sorted(self.seconds)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class TrafficGenerator:
    """Sender of requests that counts their replies."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partitions: int) -> None:
        self._producer, self._topic, self._partitions = producer, topic, partitions
        self._pending: dict[bytes, tuple[ReplyStats, float]] = {}
        self._number = 0

    async def send(self, stats: ReplyStats, prompt: str, **options: str) -> None:
        """Send one request."""
        self._number += 1
        name = b"%d" % self._number
        body = {"prompt": f"{_WORDS}{self._number} {prompt}", "options": options}
        self._pending[name] = stats, time.perf_counter()
        stats.sent += 1
        await self._producer.send(
            self._topic,
            json.dumps(body).encode(),
            partition=self._number % self._partitions,
            headers=[("correlation_id", name)],
        )

    async def send_live(self, stats: ReplyStats, per_second: float, seconds: float) -> None:
        """Send live requests at the rate `per_second` for `seconds`."""
        began = time.perf_counter()
        for number in range(round(per_second * seconds)):
            await self.send(stats, f"wait={LATENCY}")
            await asyncio.sleep(max(began + number / per_second - time.perf_counter(), 0))

    async def send_deferrable(self, stats: ReplyStats, count: int, per_second: float) -> None:
        """Send `count` deferrable requests at the rate `per_second`."""
        began = time.perf_counter()
        for number in range(count):
            await self.send(stats, "at any time", wait="24h")
            if number % 10 == 0:
                await asyncio.sleep(max(began + number / per_second - time.perf_counter(), 0))

    async def collect(self, consumer: AIOKafkaConsumer) -> None:
        """Count replies until cancelled."""
        record: Any
        async for record in consumer:
            counted, asked = self._pending.pop(dict(record.headers)["correlation_id"])
            reply = json.loads(record.value)
            counted.seconds.append(time.perf_counter() - asked)
            if reply["status"] != "ok":
                counted.errors += 1
                continue
            counted.cost_usd += reply["usage"]["cost_usd"]
            counted.by_batch += reply["usage"]["service_tier"] == "batch"


async def wait_until_answered(stats: ReplyStats, within: float) -> None:
    """Return once all sent requests are answered. Raise `TimeoutError` after `within` seconds."""
    async with asyncio.timeout(within):
        while len(stats.seconds) < stats.sent:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def assign_from_beginning(consumer: AIOKafkaConsumer, topic: str, partitions: int) -> None:
    """Make the consumer read a topic from its beginning."""
    consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
    await consumer.seek_to_beginning()

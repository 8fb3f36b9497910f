"""Short and long texts on one topic, and the times until their replies."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.provider.summaries import long_text

PARTS = 40
"""Parts of a long text, about fifty pages. A short text has one."""
Kind = Literal["short", "long"]
_REPLY_SECONDS = 120.0


@dataclass(slots=True)
class TextTraffic:
    """Requests of one run. `seconds` has the times from sending to reply, by kind."""

    producer: AIOKafkaProducer
    topic: str
    seconds: dict[Kind, list[float]] = field(default_factory=lambda: {"short": [], "long": []})
    _pending: dict[bytes, tuple[Kind, float, asyncio.Event]] = field(default_factory=dict)
    _number: int = 0

    async def send(self, kind: Kind) -> asyncio.Event:
        """Send a request, and return the event of its reply."""
        self._number += 1
        name, replied = b"%d" % self._number, asyncio.Event()
        text = long_text(f"text-{self._number}", PARTS if kind == "long" else 1)
        self._pending[name] = kind, time.perf_counter(), replied
        await self.producer.send(self.topic, json.dumps({"text": text}).encode(), headers=[("correlation_id", name)])
        return replied

    async def send_short(self, per_second: float, seconds: float) -> None:
        """Send short texts at the rate `per_second` for `seconds`, and return once they are answered."""
        began, replies = time.perf_counter(), []
        for number in range(round(per_second * seconds)):
            replies.append(await self.send("short"))
            await asyncio.sleep(max(began + number / per_second - time.perf_counter(), 0))
        async with asyncio.timeout(_REPLY_SECONDS):
            await asyncio.gather(*(each.wait() for each in replies))

    async def send_long(self) -> None:
        """Send long texts, one after the other, until cancelled."""
        while True:
            await (await self.send("long")).wait()

    async def collect(self, consumer: AIOKafkaConsumer) -> None:
        """Note the times of replies until cancelled. Raise `SystemExit` after an error."""
        record: Any
        async for record in consumer:
            kind, sent, replied = self._pending.pop(dict(record.headers)["correlation_id"])
            self.seconds[kind].append(time.perf_counter() - sent)
            reply = json.loads(record.value)
            if reply["status"] != "ok":
                raise SystemExit(f"a {kind} text got {reply['error']}")
            replied.set()

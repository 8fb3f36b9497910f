"""Looks at everything every few seconds."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from benchmarks.soak.record import Interval, Record
from benchmarks.soak.traffic import Meter
from benchmarks.soak.workers import Workers
from carteiro.wire.topics import Topics
from carteiro.worker.observing.lag import lags
from carteiro.worker.task import Task

_EVERY_SECONDS = 5.0
_ENOUGH = 10
"""Calls in which a quantile means something."""


class Backlog:
    """Asks Kafka how many requests wait."""

    def __init__(self, address: str, tasks: Sequence[Task[Any, Any]], names: Topics) -> None:
        self._tasks, self._names = tasks, names
        self._admin = AIOKafkaAdminClient(bootstrap_servers=address)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=address)

    async def __aenter__(self) -> "Backlog":
        await self._admin.start()
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def by_task(self) -> dict[str, int] | None:
        """The lag of each task; None where Kafka does not say within a few seconds."""
        try:
            async with asyncio.timeout(_EVERY_SECONDS - 1):
                found = await lags(self._admin, self._consumer, self._tasks, self._names)
        except (KafkaError, OSError, TimeoutError):
            return None
        by_task: dict[str, int] = {}
        for (task, _), lag in found.items():
            by_task[task] = by_task.get(task, 0) + lag
        return by_task


def quantile(ordered: Sequence[float], share: float) -> float:
    """By when this share was there (nearest rank)."""
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


@asynccontextmanager
async def watched(
    record: Record, workers: Workers, backlog: Backlog, meter: Meter, now: Callable[[], float]
) -> AsyncIterator[None]:
    """Within it, a look every few seconds goes to the record."""

    async def look() -> None:
        record.seen += workers.look(now())
        at, lag = now(), await backlog.by_task()
        seconds, codes = meter.read()
        p50, p99 = (quantile(seconds, share) if len(seconds) >= _ENOUGH else None for share in (0.5, 0.99))
        record.intervals.append(Interval(at=at, lag=lag, p50=p50, p99=p99, codes=codes))

    async def watch() -> None:
        next_look = now()
        while True:
            await look()
            next_look += _EVERY_SECONDS
            await asyncio.sleep(next_look - now())

    watching = asyncio.create_task(watch())
    try:
        yield
        if watching.done():
            watching.result()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await look()
    finally:
        watching.cancel()

"""Samples of all processes, lags and latencies every few seconds."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from benchmarks.soak.record import Interval, SoakRecord
from benchmarks.soak.traffic import CallStats
from benchmarks.soak.workers import WorkerFleet
from carteiro.kafka.lag import partition_lags
from carteiro.tasks.task import Task
from carteiro.wire.topics import Topics

_EVERY_SECONDS = 5.0
_MIN_CALLS = 10
"""Smallest number of calls for which a quantile is computed."""


class LagReader:
    """Reader of the lag of each task in Kafka."""

    def __init__(self, address: str, tasks: Sequence[Task[Any, Any]], names: Topics) -> None:
        self._tasks, self._names = tasks, names
        self._admin = AIOKafkaAdminClient(bootstrap_servers=address)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=address)

    async def __aenter__(self) -> "LagReader":
        await self._admin.start()
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def by_task(self) -> dict[str, int] | None:
        """Return the lag of each task in requests, or None if Kafka does not answer within a few seconds."""
        try:
            async with asyncio.timeout(_EVERY_SECONDS - 1):
                found = await partition_lags(
                    self._admin, self._consumer, [task.name for task in self._tasks], self._names
                )
        except (KafkaError, OSError, TimeoutError):
            return None
        by_task: dict[str, int] = {}
        for (task, _), lag in found.items():
            by_task[task] = by_task.get(task, 0) + lag
        return by_task


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the quantile of ordered values (nearest rank)."""
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


@asynccontextmanager
async def monitor(
    record: SoakRecord, workers: WorkerFleet, lag_reader: LagReader, stats: CallStats, now: Callable[[], float]
) -> AsyncIterator[None]:
    """Add a sample to the record every few seconds while the block runs."""

    async def look() -> None:
        record.seen += workers.sample(now())
        at, lag = now(), await lag_reader.by_task()
        seconds, codes = stats.drain()
        p50, p99 = (quantile(seconds, share) if len(seconds) >= _MIN_CALLS else None for share in (0.5, 0.99))
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

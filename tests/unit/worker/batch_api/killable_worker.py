"""A service for deferred requests that can be killed and started again."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial

from carteiro.models.prompt import Message, Prompt
from carteiro.worker.batch_api.accumulator import BatchSettings
from carteiro.worker.batch_api.partition_batcher import PartitionBatcher
from tests.unit.worker.batch_api.fake_batch_api import CrashInjector, FakeBatchApi, FakeBatchModel
from tests.unit.worker.batch_api.fake_publisher import FakePublisher

SETTINGS = BatchSettings(
    safety_margin=1.0, linger=0.002, poll_interval=0.001, max_items=4, listing_delay=0.003, replay=0.05
)


def prompt(words: str) -> Prompt:
    return Prompt(messages=[Message("user", words)])


def open_batcher(
    api: FakeBatchApi, stored: dict[bytes, bytes], fenced: asyncio.Event | None = None
) -> PartitionBatcher:
    """Return an open batcher whose requests are never answered. Once `fenced` is set, its writes never complete."""

    class Publisher(FakePublisher):
        async def publish(self, key: bytes, value: bytes | None) -> None:
            if fenced is not None and fenced.is_set():
                await asyncio.Event().wait()
            self.put(key, value)

    batcher = PartitionBatcher("generate", {"openai:loud": FakeBatchModel(api)}, Publisher(stored), SETTINGS)
    batcher.open(stored)
    return batcher


class CrashingPublisher(FakePublisher):
    """Publisher each of whose writes is a step at which the worker may be killed."""

    def __init__(self, crashes: CrashInjector, stored: dict[bytes, bytes], is_finished: Callable[[int], bool]) -> None:
        super().__init__(stored, is_finished)
        self._crashes = crashes

    async def publish(self, key: bytes, value: bytes | None) -> None:
        await self._crashes.run_step(partial(self.put, key, value))


class KillableWorker:
    """Deferred requests in a topic, and a batcher for them. Only the stored state outlives the process."""

    def __init__(self, requests: Sequence[Sequence[str]], api: FakeBatchApi) -> None:
        self.requests, self.api = requests, api
        self.stored: dict[bytes, bytes] = {}
        self.replies: dict[int, list[str]] = {}

    async def run(self, *, deadline_seconds: float = 60.0) -> bool:
        """Serve until all requests are answered and no state is left. Return False if the process was killed first."""
        self.api.crashes.restart()

        publisher = CrashingPublisher(self.api.crashes, self.stored, self.replies.__contains__)
        batcher = PartitionBatcher("generate", {"openai:loud": FakeBatchModel(self.api)}, publisher, SETTINGS)
        batcher.open(self.stored)
        until = time.monotonic() + deadline_seconds
        calls = [
            asyncio.create_task(self._answer(batcher, offset, until))
            for offset in range(len(self.requests))
            if offset not in self.replies
        ]
        ended = asyncio.create_task(self._wait_until_done(calls))
        killed = asyncio.create_task(self.api.crashes.killed.wait())
        try:
            async with asyncio.timeout(20):
                await asyncio.wait([ended, killed], return_when=asyncio.FIRST_COMPLETED)
            done = ended.done()
            if done:
                ended.result()
            return done
        finally:
            # A cancellation here stands for a kill: nothing of this process may run next to the next one.
            for task in (*calls, ended, killed):
                task.cancel()
            await asyncio.gather(*calls, ended, killed, return_exceptions=True)
            await batcher.close()

    async def _answer(self, batcher: PartitionBatcher, offset: int, deadline: float) -> None:
        texts = []
        for step in self.requests[offset]:
            # The second step depends on the first one's completion, as in a summary of summaries.
            words = f"{step} {texts[-1]}" if texts else step
            _, completion = await batcher.complete("openai:loud", prompt(words), offset, deadline)
            texts.append(completion.text)
        await self.api.crashes.run_step(lambda: self.replies.setdefault(offset, texts))

    async def _wait_until_done(self, tasks: list["asyncio.Task[None]"]) -> None:
        await asyncio.gather(*tasks)
        while set(self.stored) - {b"name_prefix"} or self.api.files:
            await asyncio.sleep(0.001)


def run_with_crashes(
    requests: Sequence[Sequence[str]], crash_points: Sequence[tuple[int, bool]] = ()
) -> KillableWorker:
    async def run() -> KillableWorker:
        service = KillableWorker(requests, FakeBatchApi(CrashInjector(crash_points)))
        while not await service.run():
            pass
        service.api.finish_all()
        return service

    return asyncio.run(run())


async def run_to_end(
    api: FakeBatchApi, *, requests: Sequence[Sequence[str]] = (("a",), ("b",)), deadline_seconds: float = 60.0
) -> KillableWorker:
    service = KillableWorker(requests, api)
    assert await service.run(deadline_seconds=deadline_seconds)
    return service

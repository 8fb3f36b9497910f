"""One batch through the lives of its workers, on a simulated provider. Each death is followed by the next owner."""

import asyncio
from collections.abc import Sequence
from functools import partial

from carteiro.models.cloud.batch_api.interface import BatchItemResult
from carteiro.models.prompt import Message, Prompt
from carteiro.worker.batch_api.accumulator import BatchSettings
from carteiro.worker.batch_api.batch_record import BatchRecord
from carteiro.worker.batch_api.item import BatchItem, offset_of
from carteiro.worker.batch_api.job import BatchJob
from carteiro.worker.batch_api.job_items import JobItems
from carteiro.worker.batch_api.stage import BatchStage
from carteiro.worker.batch_api.state import BatchState, decode_batch
from carteiro.worker.batch_api.submission import Submission
from tests.unit.worker.batch_api.fake_batch_api import ProcessKilled
from tests.unit.worker.batch_api.simulated_provider import SimulatedProvider, VirtualClock

SETTINGS = BatchSettings(safety_margin=1800.0, linger=600.0, poll_interval=60.0, max_items=100)
PROMPT = Prompt(messages=[Message("user", "a")])


def item_name(offset: int) -> str:
    return f"{offset}-{0:016x}-0"


class JobLives:
    """Requests with one item each, and the jobs of their batch until each request has an answer or a fallback.

    Time is in seconds on `clock`. All requests have the same `deadline`.
    """

    def __init__(
        self, provider: SimulatedProvider, clock: VirtualClock, *, requests: int = 3, deadline: float = 24 * 3600.0
    ) -> None:
        self.provider, self.clock, self.deadline = provider, clock, deadline
        self.requests = requests
        self.results: dict[int, BatchItemResult] = {}
        self.live: set[int] = set()
        """Requests that fell back to a live call at their deadline."""
        self.stored: dict[bytes, bytes] = {}
        self.written_stages: list[BatchStage] = []
        self.lives, self.shrunk = 0, 0
        self._items: list[BatchItem] = []
        clock.on_tick = self._tick

    @property
    def open_requests(self) -> list[int]:
        return [offset for offset in range(self.requests) if not self.is_finished(offset)]

    def is_finished(self, offset: int) -> bool:
        return offset in self.results or offset in self.live

    async def run(self) -> None:
        """Run jobs until one comes to its end."""
        while True:
            self.lives += 1
            try:
                await self._live()
            except ProcessKilled:
                for item in self._items:
                    item.result.cancel()
                continue
            return

    async def _live(self) -> None:
        recovered = [batch for value in self.stored.values() if (batch := decode_batch(value)) is not None]
        offsets = self.open_requests
        loop = asyncio.get_running_loop()
        self._items = [
            BatchItem(item_name(each), "openai:a", PROMPT, self.deadline, 10, loop.create_future(), waiters=1)
            for each in offsets
        ]
        for item in self._items:
            item.result.add_done_callback(partial(self._on_result, offset_of(item.id)))
        if recovered:
            state = recovered[0]
        elif not offsets:
            return
        else:
            # The next owner deletes files that no record names.
            self.provider.files.clear()
            ids = tuple(item.id for item in self._items)
            self.provider.files[f"file-of-life-{self.lives}"] = [*ids]
            state = BatchState(f"batch-of-life-{self.lives}", "openai:a", f"file-of-life-{self.lives}", ids, 0.0)
        await self._make_job(state, recovered=bool(recovered)).run()

    def _make_job(self, state: BatchState, *, recovered: bool) -> BatchJob:
        record = BatchRecord(state, self._publish, self.clock)
        items = JobItems(state.item_ids, self.is_finished, [] if recovered else self._items)
        for item in self._items if recovered else ():
            items.attach(item)
        submission = Submission(record, items, self.provider, self._upload, SETTINGS.listing_delay, self.clock)
        return BatchJob(
            record,
            items,
            submission,
            self.provider,
            SETTINGS,
            self._shrink,
            recovered=recovered,
            now=self.clock,
            sleep=self.clock.sleep,
        )

    async def _publish(self, key: bytes, value: bytes | None) -> None:
        def effect() -> None:
            if value is None:
                self.stored.pop(key)
            else:
                self.stored[key] = value
                self.written_stages += [batch.stage] if (batch := decode_batch(value)) else []

        await self.provider.call("publish", effect)

    async def _upload(self, name: str, items: Sequence[BatchItem]) -> str:
        return await self.provider.upload_ids([item.id for item in items])

    def _shrink(self) -> None:
        self.shrunk += 1

    def _on_result(self, offset: int, result: "asyncio.Future[BatchItemResult]") -> None:
        if not result.cancelled():
            self.results[offset] = result.result()

    def _tick(self) -> None:
        if self.clock.now >= self.deadline - SETTINGS.safety_margin / 2:
            self.live.update(self.open_requests)
            for item in self._items:
                item.waiters = 0

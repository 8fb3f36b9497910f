"""The jobs of one partition's batches."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from carteiro.concurrency.background_tasks import BackgroundTasks
from carteiro.concurrency.backoff import Backoff
from carteiro.models.cloud.batch_api.interface import BatchApi, BatchModel
from carteiro.models.errors import ModelError
from carteiro.worker.batch_api.accumulator import BatchSettings
from carteiro.worker.batch_api.batch_record import BatchRecord
from carteiro.worker.batch_api.fenced_publisher import StatePublisher
from carteiro.worker.batch_api.item import BatchItem
from carteiro.worker.batch_api.job import BatchJob
from carteiro.worker.batch_api.job_items import JobItems
from carteiro.worker.batch_api.state import BatchState
from carteiro.worker.batch_api.submission import Submission
from carteiro.worker.observability import metrics
from carteiro.worker.observability.logs import traceback_summary

log = structlog.get_logger("carteiro.worker")

_MAX_PAUSE = 120.0


class PartitionJobs:
    """Running jobs, by the ids of their items. `shrink` makes later batches of a model smaller."""

    def __init__(
        self,
        task: str,
        models: Mapping[str, BatchModel[Any, Any]],
        publisher: StatePublisher,
        settings: BatchSettings,
        shrink: Callable[[str], None],
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._task, self._models, self._publisher = task, models, publisher
        self._settings, self._shrink, self._now, self._sleep = settings, shrink, now, sleep
        self._jobs: dict[str, BatchJob] = {}
        self._tasks = BackgroundTasks()

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._jobs

    def attach(self, item: BatchItem) -> BatchItem | None:
        """Let the job that has an item's id resolve it, and return the job's item; None if no job has the id."""
        job = self._jobs.get(item.id)
        return None if job is None else job.items.attach(item)

    def recover(self, batches: Iterable[BatchState]) -> None:
        """Start the jobs of stored batches."""
        for batch in batches:
            if batch.model in self._models:
                self._start(batch, recovered=True)
            else:
                log.error("a batch of a model that is not served here any more", batch=batch.name, model=batch.model)

    async def create(self, name: str, items: Sequence[BatchItem]) -> None:
        """Upload the items, and start their job. Return without a job if no call waits for them any more."""
        model, backoff = items[0].model, Backoff(self._settings.check_interval, _MAX_PAUSE, sleep=self._sleep)
        while awaited := [item for item in items if item.is_awaited]:
            try:
                file = await self._upload(name, awaited)
            except ModelError as failure:
                log.warning("cannot upload a batch; trying again", model=model, reason=failure.message)
                await backoff.pause()
                continue
            self._start(BatchState(name, model, file, tuple(item.id for item in awaited), time.time()), awaited)
            return

    async def delete_orphaned_files(self, name_prefix: str, known_files: Collection[str]) -> None:
        """Delete files that an earlier owner uploaded but did not record before its end."""
        for api in {self.api_of(model) for model in self._models}:
            with contextlib.suppress(ModelError):
                for file, name in await api.list_files(name_prefix):
                    if file not in known_files:
                        log.info("deleting a file that belongs to no batch", file=file, name=name)
                        await api.delete_file(file)

    async def close(self) -> None:
        """Stop all jobs. Their stored states stay."""
        await self._tasks.cancel()
        self._jobs.clear()

    def api_of(self, model: str) -> BatchApi:
        """Return the batch API of a model."""
        batches = self._models[model].batches
        assert batches is not None
        return batches

    async def _upload(self, name: str, items: Sequence[BatchItem]) -> str:
        model, api = self._models[items[0].model], self.api_of(items[0].model)
        return await api.upload(name, (api.encode_line(item.id, model.body(item.prompt)) for item in items))

    def _start(self, state: BatchState, items: Sequence[BatchItem] = (), *, recovered: bool = False) -> None:
        api, record = self.api_of(state.model), BatchRecord(state, self._publisher.publish, self._now)
        job_items = JobItems(state.item_ids, self._publisher.is_finished, items)
        submission = Submission(record, job_items, api, self._upload, self._settings.listing_delay, self._now)
        job = BatchJob(
            record,
            job_items,
            submission,
            api,
            self._settings,
            partial(self._shrink, state.model),
            recovered=recovered,
            now=self._now,
            sleep=self._sleep,
        )
        self._jobs |= dict.fromkeys(state.item_ids, job)
        self._tasks.start(self._run(job, state))

    async def _run(self, job: BatchJob, state: BatchState) -> None:
        with metrics.labelled(metrics.BATCHES_OPEN, self._task, state.model).track_inprogress():
            while True:
                try:
                    await job.run()
                    break
                except Exception as error:  # noqa: BLE001  # the next try may succeed
                    log.error(
                        "a batch cannot be followed; trying again", batch=job.name, failure=traceback_summary(error)
                    )
                    await self._sleep(_MAX_PAUSE)
        for identifier in state.item_ids:
            self._jobs.pop(identifier, None)

"""The job of one batch, from its uploaded file to the last reply that needs its results."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import structlog

from carteiro.concurrency.backoff import Backoff
from carteiro.models.cloud.batch_api.interface import BatchApi, BatchItemResult, ProviderBatch
from carteiro.models.errors import ModelError, Unavailable
from carteiro.worker.batch_api.accumulator import BatchSettings
from carteiro.worker.batch_api.batch_record import BatchRecord
from carteiro.worker.batch_api.job_items import JobItems
from carteiro.worker.batch_api.stage import BatchFacts, BatchStage, BatchStep, next_step, stage_after_error
from carteiro.worker.batch_api.submission import Submission

log = structlog.get_logger("carteiro.worker")

_MAX_PAUSE = 600.0
_ERROR_EVENTS = {
    BatchStep.FIND: "cannot tell if a batch is submitted",
    BatchStep.POLL: "cannot read the status of a batch",
    BatchStep.CANCEL: "cannot read the status of a batch",
    BatchStep.DISTRIBUTE: "cannot read a batch's results; trying again",
}
"""Log events of a provider's errors. In the other steps they delay the submission."""


class BatchJob:
    """Job that submits a batch once, polls it, and distributes its results.

    `shrink` makes later batches smaller. A `recovered` job was begun by an earlier owner of the partition.
    """

    def __init__(
        self,
        record: BatchRecord,
        items: JobItems,
        submission: Submission,
        api: BatchApi,
        settings: BatchSettings,
        shrink: Callable[[], None],
        *,
        recovered: bool = False,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._record, self.items, self._submission, self._api = record, items, submission, api
        self._settings, self._shrink, self._now, self._sleep = settings, shrink, now, sleep
        self._replay_until = now() + (settings.replay if recovered else 0.0)
        self._backoff = Backoff(2 * settings.check_interval, _MAX_PAUSE, sleep=sleep)
        self._polled: ProviderBatch | None = None
        self._cancelled, self._submissions = False, 1

    async def run(self) -> None:
        """Run the batch. Return when its requests are finished and its files and its state are deleted."""
        while (step := next_step(self._stage, self._facts())) is not BatchStep.CLEAN_UP:
            try:
                await self._perform(step)
                self._backoff.reset()
            except ModelError as error:
                await self._handle_error(step, error)
        await self._clean_up()

    @property
    def name(self) -> str:
        """The batch's name."""
        return self._record.state.name

    @property
    def _stage(self) -> BatchStage:
        return self._record.state.stage

    @property
    def _provider_id(self) -> str:
        assert self._record.state.provider_id is not None
        return self._record.state.provider_id

    def _facts(self) -> BatchFacts:
        finished = self.items.all_finished
        return BatchFacts(
            awaited=self.items.any_awaited,
            replay_expected=not finished and self._now() < self._replay_until,
            finished=finished,
            overdue=self._stage is BatchStage.RUNNING and self._count_overdue() > 0,
            file_deleted=self._submission.file_deleted,
            unlisted=self._submission.unlisted,
            polled=self._polled,
            cancelled=self._cancelled,
            submissions=self._submissions,
        )

    async def _perform(self, step: BatchStep) -> None:  # noqa: PLR0912  # one case for each step
        match step:
            case BatchStep.WAIT:
                await self._wait()
            case BatchStep.SUBMIT:
                self._polled, self._cancelled = None, False
                await self._submission.submit()
            case BatchStep.FIND:
                await self._submission.find()
                if self._stage is BatchStage.SUBMITTING:
                    await self._wait()
            case BatchStep.DELETE_FILE:
                await self._submission.delete_file()
            case BatchStep.UPLOAD_AGAIN:
                await self._submission.upload_again()
            case BatchStep.POLL:
                self._polled = await self._api.retrieve(self._provider_id)
            case BatchStep.CANCEL:
                await self._cancel()
            case BatchStep.STOP:
                await self._stop()
            case BatchStep.END:
                await self._end()
            case BatchStep.RESUBMIT:
                await self._prepare_resubmission()
            case BatchStep.SHRINK:
                self._shrink()
                await self._abandon("the provider has no room for it")
            case BatchStep.ABANDON:
                await self._abandon("nobody waits for it")
            case BatchStep.DISTRIBUTE:
                await self._distribute_results()

    async def _handle_error(self, step: BatchStep, error: ModelError) -> None:
        stage = stage_after_error(self._stage, step, error)
        if stage is BatchStage.ABANDONED:
            await self._abandon(error.message)
            return
        event = _ERROR_EVENTS.get(step, "a batch is not submitted; trying again")
        log.warning(event, batch=self.name, reason=error.message)
        if stage is not self._stage:
            await self._record.advance(stage)
        match stage:
            case BatchStage.UPLOADED:
                await self._sleep_while_awaited(self._backoff.next_pause())
            case BatchStage.SUBMITTING:
                await self._backoff.pause()
            case _:
                await self._sleep(self._settings.poll_interval)

    async def _wait(self) -> None:
        is_running = self._stage is BatchStage.RUNNING
        await self._sleep(self._settings.poll_interval if is_running else self._settings.check_interval)
        self._polled = None

    async def _cancel(self) -> None:
        log.info("a batch is cancelled: a deadline is near", batch=self.name, requests=self._count_overdue())
        await self._api.cancel(self._provider_id)
        self._cancelled = True

    async def _stop(self) -> None:
        with contextlib.suppress(ModelError):  # the results are not needed
            await self._api.cancel(self._provider_id)
        self._polled = None
        await self._record.advance(BatchStage.ENDED)

    async def _end(self) -> None:
        assert self._polled is not None
        log.info("a batch has ended", batch=self.name, status=self._polled.status, problem=self._polled.error_message)
        await self._record.advance(BatchStage.ENDED)

    async def _prepare_resubmission(self) -> None:
        log.info("the provider has no room for a batch; it is submitted again", batch=self.name)
        self._submissions += 1
        await self._record.advance(BatchStage.UPLOADED, provider_id=None)
        await self._sleep_while_awaited(min(self._settings.poll_interval * 4, _MAX_PAUSE))

    async def _abandon(self, reason: str) -> None:
        """Store that the batch is not submitted any more, for the next owner too. Its requests continue without it."""
        log.warning("a batch is abandoned", batch=self.name, reason=reason)
        await self._record.advance(BatchStage.ABANDONED)

    async def _distribute_results(self) -> None:
        """Resolve the items that are awaited now. Items that are attached soon after share the next read."""
        missing, reason = {item.id for item in self.items.awaited}, "the batch was not submitted"
        if missing and self._stage is BatchStage.ENDED and self._polled is not None:
            async for result in self._api.results(self._polled):
                if result.id in missing:
                    missing.discard(result.id)
                    self.items.resolve(result)
            status = self._polled.status
            reason = self._polled.error_message or f"the batch ended ({status}) without a result for it"
        for identifier in missing:
            self.items.resolve(BatchItemResult(identifier, error=Unavailable(reason)))
        await self._sleep(self._settings.check_interval)

    async def _clean_up(self) -> None:
        files = {self._record.state.file}
        with contextlib.suppress(ModelError):  # the provider deletes files some day
            if self._stage is BatchStage.ENDED:
                files |= {*(self._polled or await self._api.retrieve(self._provider_id)).output_files}
        # The record goes first: with a record but no files, the next owner would look for results that are gone.
        await self._record.delete()
        for file in files:
            with contextlib.suppress(ModelError):
                await self._api.delete_file(file)

    async def _sleep_while_awaited(self, seconds: float) -> None:
        """Wait for `seconds` seconds, or until no call waits for an item: a request may expire at any time."""
        until = self._now() + seconds
        await self._sleep(self._settings.check_interval)
        while self.items.any_awaited and self._now() < until:
            await self._sleep(self._settings.check_interval)

    def _count_overdue(self) -> int:
        return self.items.count_overdue(self._now() + self._settings.safety_margin)

"""The batcher of one partition: it completes the prompts of deferred requests by batches."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import structlog

from carteiro.concurrency.background_tasks import BackgroundTasks
from carteiro.models.cloud.batch_api.interface import BatchItemResult, BatchModel, RetryMode
from carteiro.models.errors import Misconfigured, ModelError, RateLimited, Unavailable
from carteiro.models.prompt_identity import prompt_identity
from carteiro.schemas import Usage
from carteiro.worker.batch_api.accumulator import BatchAccumulator, BatchSettings
from carteiro.worker.batch_api.fenced_publisher import StatePublisher
from carteiro.worker.batch_api.item import BatchItem, BatchPrompt, item_id
from carteiro.worker.batch_api.partition_jobs import PartitionJobs
from carteiro.worker.batch_api.state import NAME_PREFIX_KEY, decode_batches, decode_name_prefix

log = structlog.get_logger("carteiro.worker")

_MAX_ATTEMPTS = 3
"""Batches that a prompt is put into before it falls back to a live call."""


def _ignore_usage(item_id: str, usage: Usage) -> None:
    pass


class DeadlineNear(Exception):
    """The prompt has to be completed by a live call now, to meet its deadline."""


class PartitionBatcher:
    """Batcher of one partition's deferred requests.

    `models` are the task's models by their names in replies.
    """

    def __init__(
        self,
        task: str,
        models: Mapping[str, BatchModel[Any, Any]],
        publisher: StatePublisher,
        settings: BatchSettings,
    ) -> None:
        self._models, self._publisher, self._settings = models, publisher, settings
        self._accumulator = BatchAccumulator(settings, lambda model: self._jobs.api_of(model).max_bytes)
        self._jobs = PartitionJobs(task, models, publisher, settings, self._accumulator.shrink)
        self._pending: dict[str, BatchItem] = {}
        """Items by their ids, until they are in a batch."""
        self._awaited: set[BatchItem] = set()
        self._tasks = BackgroundTasks()
        self._opened, self._wake = asyncio.Event(), asyncio.Event()
        self._name_prefix = ""

    def open(self, stored: Mapping[bytes, bytes]) -> None:
        """Continue from the stored state of an earlier owner, or of this one before a restart."""
        has_prefix, batches = decode_name_prefix(stored) is not None, decode_batches(stored)
        self._name_prefix = decode_name_prefix(stored) or secrets.token_hex(6)
        self._jobs.recover(batches)
        self._tasks.start(self._run(has_prefix=has_prefix, known_files={batch.file for batch in batches}))
        self._opened.set()

    async def close(self) -> None:
        """Stop all jobs; the stored state stays. Calls of `complete` wait until the batcher is open again."""
        self._opened.clear()
        await self._tasks.cancel()
        await self._jobs.close()
        self._accumulator.clear()
        self._pending.clear()
        for item in self._awaited:
            item.result.cancel()

    async def complete(
        self,
        model: str,
        prompt: BatchPrompt,
        offset: int,
        deadline: float,
        on_wasted_usage: Callable[[str, Usage], object] = _ignore_usage,
    ) -> tuple[str, Any]:
        """Return the id of a batch item, and its answer: a `Completion` or `Embeddings`, as the prompt asks for.

        `offset` is that of the deferred request, `deadline` its deadline in monotonic seconds. `on_wasted_usage` is
        called with the id and usage of each item that used tokens without a usable result. Raise `DeadlineNear` if the
        prompt needs a live call, and any error of the model's completions.
        """
        batch_model, attempt = self._models[model], 0
        while True:
            await self._wait_until_open(deadline)
            body = batch_model.body(prompt)
            identifier = item_id(offset, prompt_identity(model, prompt), attempt)
            item = self._find_or_add_item(identifier, model, prompt, deadline, body)
            if item is None or (item.id not in self._jobs and attempt >= _MAX_ATTEMPTS):
                raise DeadlineNear
            try:
                result = await self._await_result(item)
                if result is None:
                    continue
                if result.error is not None:
                    raise result.error
                # Hundreds of vectors take long to read.
                outcome = await asyncio.to_thread(batch_model.completion, result.answer, prompt)
            except ModelError as failure:
                outcome = failure
            retry_mode = batch_model.adapt(prompt, body, outcome)
            if not isinstance(outcome, ModelError):
                if retry_mode is RetryMode.NO or attempt + 1 >= _MAX_ATTEMPTS:
                    return item.id, outcome
                on_wasted_usage(item.id, outcome.usage)
            else:
                if outcome.usage is not None:
                    on_wasted_usage(item.id, outcome.usage)
                    outcome.usage = None  # it is recorded already, at the price of a batch
                if retry_mode is RetryMode.NO and not isinstance(outcome, Unavailable | RateLimited | Misconfigured):
                    raise outcome
                log.info("a prompt was not completed by its batch", line=item.id, code=outcome.code)
            if retry_mode is RetryMode.LIVE:
                raise DeadlineNear
            attempt += 1

    async def _wait_until_open(self, deadline: float) -> None:
        try:
            async with asyncio.timeout(max(deadline - self._settings.safety_margin / 2 - time.monotonic(), 0.0)):
                await self._opened.wait()
        except TimeoutError:
            raise DeadlineNear from None

    def _find_or_add_item(
        self, identifier: str, model: str, prompt: BatchPrompt, deadline: float, body: dict[str, Any]
    ) -> BatchItem | None:
        """Return the item with this id, added to the accumulator if it is new; None if there is no time for a batch."""
        if (existing := self._pending.get(identifier)) is not None:
            return existing
        size = len(self._jobs.api_of(model).encode_line(identifier, body))
        item = BatchItem(identifier, model, prompt, deadline, size, asyncio.get_running_loop().create_future())
        if (attached := self._jobs.attach(item)) is not None:
            return attached
        if deadline - time.monotonic() < self._settings.safety_margin:
            return None
        self._pending[identifier] = item
        self._accumulator.add(item, time.monotonic())
        self._wake.set()
        return item

    async def _await_result(self, item: BatchItem) -> BatchItemResult | None:
        """Return the result of an item; None if the batcher was closed. Raise `DeadlineNear` if no time is left."""
        self._awaited.add(item)
        try:
            return await item.wait(self._remaining_wait(item))
        except TimeoutError:
            raise DeadlineNear from None
        finally:
            if not item.waiters:
                self._awaited.discard(item)
                self._pending.pop(item.id, None)

    def _remaining_wait(self, item: BatchItem) -> float:
        """Return the seconds to wait for an item. An item of a job is waited for a little even after its deadline: an
        earlier owner's batch may have its result.
        """
        remaining = item.deadline - self._settings.safety_margin / 2 - time.monotonic()
        least = min(3 * self._settings.poll_interval, self._settings.safety_margin / 4)
        return max(remaining, least if item.id in self._jobs else 0.0)

    async def _run(self, *, has_prefix: bool, known_files: Collection[str]) -> None:
        """Create jobs of the batches that are ready, until cancelled."""
        if not has_prefix:
            await self._publisher.publish(NAME_PREFIX_KEY, self._name_prefix.encode())
        await self._jobs.delete_orphaned_files(self._name_prefix, known_files)
        while True:
            for items in self._accumulator.ready(time.monotonic()):
                self._tasks.start(self._create_job(items))
            next_at = self._accumulator.next_ready_at()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if next_at is None else max(next_at - time.monotonic(), 0.0)):
                    await self._wake.wait()

    async def _create_job(self, items: Sequence[BatchItem]) -> None:
        await self._jobs.create(f"{self._name_prefix}-{secrets.token_hex(6)}", items)
        for item in items:
            self._pending.pop(item.id, None)

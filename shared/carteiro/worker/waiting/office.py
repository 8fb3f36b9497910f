"""The waiting requests of one partition: their prompts are gathered into batches, which are seen through."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from carteiro.models.cloud.batches.interface import Batches, BatchModel, LineResult
from carteiro.models.failures import Misconfigured, ModelFailure, RateLimited, Unavailable
from carteiro.models.interface import Completion, Prompt
from carteiro.worker.observing import metrics
from carteiro.worker.waiting.batch_run import BatchRun
from carteiro.worker.waiting.gathering import Gatherer, Line, Rules, line_id
from carteiro.worker.waiting.open_batch import OFFICE, OpenBatch, batches_of

log = structlog.get_logger("carteiro.worker")

_SENDINGS = 3
"""How often a prompt goes into a batch before it is done live."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 120.0


class TimeIsUp(Exception):
    """The prompt has to be completed live, now, to keep what was promised."""


class Office:
    """`models` are the task's, by the names that replies call them. `publish` keeps a value under a key, or forgets the
    key, and returns once that is sure; `finished` says whether the request at an offset is answered.
    """

    def __init__(
        self,
        task: str,
        models: Mapping[str, BatchModel],
        publish: Callable[[bytes, bytes | None], Awaitable[None]],
        finished: Callable[[int], bool],
        rules: Rules,
    ) -> None:
        self._task, self._models, self._publish, self._finished, self._rules = task, models, publish, finished, rules
        self._gatherer = Gatherer(rules, lambda model: self._provider(model).most_bytes)
        self._gathered: dict[str, Line] = {}
        """By their ids, until they are in a batch."""
        self._runs: dict[str, BatchRun] = {}
        """By the ids of their lines."""
        self._asked: set[Line] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened, self._work = asyncio.Event(), asyncio.Event()
        self._name = ""

    def open(self, kept: Mapping[bytes, bytes]) -> None:
        """Go on with what an earlier owner, or this one before it was cut off, has kept."""
        self._name = kept.get(OFFICE, b"").decode() or secrets.token_hex(6)
        batches = batches_of(kept)
        for batch in batches:
            if batch.model in self._models:
                self._begin(batch, adopted=True)
            else:
                log.error("a batch of a model that is not served here any more", batch=batch.name, model=batch.model)
        self._spawn(self._serve(named=OFFICE in kept, files={batch.file for batch in batches}))
        self._opened.set()

    async def close(self) -> None:
        """Leave everything as it is kept. What is asked meanwhile waits until the office is open again."""
        self._opened.clear()
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._gatherer.clear()
        self._gathered.clear()
        self._runs.clear()
        for line in self._asked:
            line.result.cancel()

    async def complete(self, model: str, prompt: Prompt, offset: int, until: float) -> tuple[str, Completion]:
        """The id of a batch's line, and the completion that it has brought.

        It is for the request that waits at an offset and has to be answered by `until`, in seconds since 1970. Raises
        `TimeIsUp`, and what the model's own completions raise.
        """
        body, sending = self._models[model].body(prompt), 0
        while True:
            await self._until_open(until)
            line = self._line(line_id(offset, body, sending), model, prompt, until, body)
            if line is None or (line.id not in self._runs and sending >= _SENDINGS):
                raise TimeIsUp
            result = await self._result(line)
            if result is None:
                continue
            try:
                if result.failure is not None:
                    raise result.failure
                return line.id, self._models[model].completion(result.answer, prompt)
            except (Unavailable, RateLimited, Misconfigured) as failure:
                log.info("a prompt was not completed by its batch", line=line.id, reason=failure.message)
                sending += 1

    async def _until_open(self, until: float) -> None:
        try:
            async with asyncio.timeout(max(until - self._rules.margin / 2 - time.time(), 0.0)):
                await self._opened.wait()
        except TimeoutError:
            raise TimeIsUp from None

    def _patience(self, line: Line) -> float:
        """How long a line is waited for, in seconds. What an earlier owner's batch has brought is looked at, late or
        not."""
        left = line.until - self._rules.margin / 2 - time.time()
        return max(left, min(3 * self._rules.poll, self._rules.margin / 4) if line.id in self._runs else 0.0)

    async def _result(self, line: Line) -> LineResult | None:
        """What became of a line; None where the office was closed. Raises `TimeIsUp`."""
        line.askers += 1
        self._asked.add(line)
        try:
            async with asyncio.timeout(self._patience(line)):
                return await asyncio.shield(line.result)
        except TimeoutError:
            raise TimeIsUp from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not line.result.cancelled() or (task is not None and task.cancelling()):
                raise
            return None
        finally:
            line.askers -= 1
            if not line.askers:
                self._asked.discard(line)
                self._gathered.pop(line.id, None)

    def _line(self, named: str, model: str, prompt: Prompt, until: float, body: dict[str, Any]) -> Line | None:
        """The line of that id, gathered for a batch where it is in none; None where there is no time for one."""
        if (known := self._gathered.get(named)) is not None:
            return known
        size = len(self._provider(model).line(named, body))
        line = Line(named, model, prompt, until, size, asyncio.get_running_loop().create_future())
        if (run := self._runs.get(named)) is not None:
            return run.ask(line)
        if until - time.time() < self._rules.margin:
            return None
        self._gathered[named] = line
        self._gatherer.add(line, time.time())
        self._work.set()
        return line

    async def _serve(self, *, named: bool, files: Collection[str]) -> None:
        """Make batches of what is gathered, until cancelled."""
        if not named:
            await self._publish(OFFICE, self._name.encode())
        await self._sweep(files)
        while True:
            for lines in self._gatherer.due(time.time()):
                self._spawn(self._make(lines))
            next_at = self._gatherer.next_at()
            self._work.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if next_at is None else max(next_at - time.time(), 0.0)):
                    await self._work.wait()

    async def _sweep(self, files: Collection[str]) -> None:
        """Delete files that an earlier owner uploaded and had not written down when it ended."""
        for batches in {self._provider(model) for model in self._models}:
            with contextlib.suppress(ModelFailure):
                for file, name in await batches.files(self._name):
                    if file not in files:
                        log.info("deleting a file that belongs to no batch", file=file, name=name)
                        await batches.delete(file)

    async def _make(self, lines: Sequence[Line]) -> None:
        """Upload the lines, and see them through."""
        name, model = f"{self._name}-{secrets.token_hex(6)}", lines[0].model
        pause = _FIRST_PAUSE
        while wanted := [line for line in lines if line.wanted]:
            try:
                file = await self._upload(name, wanted)
            except ModelFailure as failure:
                log.warning("cannot upload a batch; trying again", model=model, reason=failure.message)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            batch = OpenBatch(name, model, file, [line.id for line in wanted], time.time())
            self._begin(batch, lines=wanted)
            break
        for line in lines:
            self._gathered.pop(line.id, None)

    async def _upload(self, name: str, lines: Sequence[Line]) -> str:
        model = self._models[lines[0].model]
        provider = self._provider(lines[0].model)
        return await provider.upload(name, (provider.line(line.id, model.body(line.prompt)) for line in lines))

    def _begin(self, batch: OpenBatch, *, lines: Sequence[Line] = (), adopted: bool = False) -> None:
        provider = self._provider(batch.model)
        smaller = partial(self._gatherer.halve, batch.model)
        run = BatchRun(
            batch, provider, self._publish, self._finished, self._rules, smaller, lines=lines, adopted=adopted
        )
        self._runs |= dict.fromkeys(batch.lines, run)
        self._spawn(self._see_through(run))

    async def _see_through(self, run: BatchRun) -> None:
        with metrics.of(metrics.BATCHES, self._task, run.batch.model).track_inprogress():
            while True:
                try:
                    await run.see_through()
                    break
                except Exception:
                    log.exception("a batch cannot be followed; trying again", batch=run.batch.name)
                    await asyncio.sleep(_LONGEST_PAUSE)
        for line in run.batch.lines:
            self._runs.pop(line, None)

    def _provider(self, model: str) -> Batches:
        batches = self._models[model].batches
        assert batches is not None
        return batches

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

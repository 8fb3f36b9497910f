"""One batch, from its file to the last reply that rests on it."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from carteiro.models.cloud.batches.interface import Batch, Batches, LineResult
from carteiro.models.failures import ModelFailure, QuotaExhausted, RateLimited, Unavailable
from carteiro.worker.waiting.gathering import Line, Rules, offset_of
from carteiro.worker.waiting.open_batch import OpenBatch

log = structlog.get_logger("carteiro.worker")

_SETTLE_SECONDS = 10.0
"""A submission whose outcome is not known shows in the provider's list within this time, or has not been one."""
_FRESH_SECONDS = 5.0
"""A worker that was halted for longer between its record and its submission may have lost the partition meanwhile."""
_REPLAY_SECONDS = 60.0
"""A partition's requests are begun again within this time after it was taken over."""
_LONGEST_PAUSE = 600.0
_ASK_SECONDS = 1.0
_NO_ROOM = ("token_limit_exceeded",)
"""Codes of a batch that the provider takes once others have ended."""


class BatchRun:
    """Submits a batch once, follows it, and hands out its results.

    `publish` keeps what is known of it, and fails where the partition is somebody else's by now; `finished` says
    whether a request is answered. One that is `adopted` was begun by an earlier owner, who may have submitted it.
    """

    def __init__(
        self,
        batch: OpenBatch,
        provider: Batches,
        publish: Callable[[str, bytes | None], Awaitable[None]],
        finished: Callable[[int], bool],
        rules: Rules,
        *,
        lines: Sequence[Line] = (),
        adopted: bool = False,
    ) -> None:
        self.batch, self._provider, self._rules = batch, provider, rules
        self._publish, self._finished = publish, finished
        self._lines = {line.id: line for line in lines}
        self._offsets = {offset_of(line) for line in batch.lines}
        self._unsure = adopted
        self._asked = asyncio.Event()
        self._asked_for_until = time.monotonic() + (_REPLAY_SECONDS if adopted else 0.0)

    def ask(self, line: Line) -> Line:
        """The line of this batch that has the other's id: it will get the result."""
        known = self._lines.setdefault(line.id, line)
        if known.result.done():
            known = self._lines[line.id] = line
        self._asked.set()
        return known

    async def see_through(self) -> None:
        """Return once all is answered and cleared away."""
        while (ended := await self._ended()).status == "failed" and ended.code in _NO_ROOM:
            log.info("the provider has no room for a batch; it is submitted again", batch=self.batch.name)
            self.batch.id, self._unsure = None, False
            await self._keep()
            if not await self._wanted_after(min(self._rules.poll * 4, _LONGEST_PAUSE)):
                break
        await self._hand_out(ended)
        for file in {self.batch.file, *ended.outputs}:
            with contextlib.suppress(ModelFailure):  # the provider deletes it some day
                await self._provider.delete(file)
        await self._publish(self.batch.name, None)

    async def _ended(self) -> Batch:
        if not await self._submit():
            return Batch(
                self.batch.id or "", self.batch.name, self.batch.file, "failed", problem="it was not submitted"
            )
        assert self.batch.id is not None
        cancelled = False
        while True:
            try:
                seen = await self._provider.look(self.batch.id)
                if seen.status != "running":
                    log.info("a batch has ended", batch=self.batch.name, status=seen.status, problem=seen.problem)
                    return seen
                if not cancelled and (due := self._due()):
                    log.info("a batch is cut short to keep a promise", batch=self.batch.name, requests=due)
                    await self._provider.cancel(self.batch.id)
                    cancelled = True
            except ModelFailure as failure:
                log.warning("cannot see how a batch stands", batch=self.batch.name, reason=failure.message)
            await asyncio.sleep(self._rules.poll)

    async def _submit(self) -> bool:
        """Have it submitted, if it is not. Returns False where it cannot be, or nobody waits for it any more."""
        pause, began = self._rules.poll, time.monotonic()
        while self.batch.id is None:
            try:
                found = await self._found() if self._unsure else None
                if found is None and self._unsure and time.monotonic() - began < _SETTLE_SECONDS:
                    await asyncio.sleep(_ASK_SECONDS)
                    continue
                if found is None:
                    if not self._wanted:
                        return False
                    await self._keep()
                    found = await self._provider.submit(self.batch.name, self.batch.file)
                self.batch.id = found.id
                await self._keep()
                log.info("a batch is submitted", batch=self.batch.name, id=found.id, lines=len(self.batch.lines))
            except (Unavailable, RateLimited) as failure:
                log.warning("a batch is not submitted; trying again", batch=self.batch.name, reason=failure.message)
                self._unsure, began = not isinstance(failure, RateLimited), time.monotonic()
                pause = min(pause * 2, _LONGEST_PAUSE)
                if isinstance(failure, QuotaExhausted) or not self._unsure:
                    await self._wanted_after(pause)
                if not self._wanted:
                    return False
            except ModelFailure as failure:
                log.error("the provider does not take a batch", batch=self.batch.name, reason=failure.message)
                return False
        return True

    async def _found(self) -> Batch | None:
        """The batch, where it was submitted after all. Of several, which only a halted worker can have made, one is
        left."""
        found = await self._provider.find(self.batch.name, self.batch.file)
        alive = [each for each in found if each.status in ("running", "completed")] or found
        for other in alive[1:]:
            log.warning("a batch was submitted twice; one is cancelled", batch=self.batch.name, id=other.id)
            await self._provider.cancel(other.id)
        return alive[0] if alive else None

    async def _keep(self) -> None:
        while True:
            began = time.monotonic()
            await self._publish(self.batch.name, self.batch.encode())
            if time.monotonic() - began < _FRESH_SECONDS:
                return

    async def _hand_out(self, ended: Batch) -> None:
        """Give results to whoever asks, until all requests with a line of this batch are answered."""
        while not all(map(self._finished, self._offsets)):
            self._asked.clear()
            missing = {line.id: line for line in self._lines.values() if line.wanted}
            if missing:
                try:
                    async for result in self._provider.results(ended):
                        if (line := missing.pop(result.id, None)) is not None:
                            line.settle(result)
                except ModelFailure as failure:
                    log.warning(
                        "cannot read a batch's results; trying again", batch=self.batch.name, reason=failure.message
                    )
                    await asyncio.sleep(min(self._rules.poll, _LONGEST_PAUSE))
                    continue
                reason = ended.problem or f"the batch ended ({ended.status}) without a result for it"
                for line in missing.values():
                    line.settle(LineResult(line.id, failure=Unavailable(reason)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self._rules.poll, _ASK_SECONDS)):
                    await self._asked.wait()
                    await asyncio.sleep(min(self._rules.poll, _ASK_SECONDS) / 2)  # several ask at once

    async def _wanted_after(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self._wanted and time.monotonic() < until:  # noqa: ASYNC110  # a request may give up at any time
            await asyncio.sleep(min(_ASK_SECONDS, self._rules.poll))
        return self._wanted

    @property
    def _wanted(self) -> bool:
        """Whether anybody waits for a line. Those of one that is adopted may be about to be asked for."""
        return any(line.wanted for line in self._lines.values()) or time.monotonic() < self._asked_for_until

    def _due(self) -> int:
        """How many lines have to be taken out of the batch by now."""
        now = time.time()
        return sum(line.wanted and line.until - self._rules.margin <= now for line in self._lines.values())

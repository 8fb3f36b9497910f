"""One batch, from its file to the last reply that rests on it."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from carteiro.models.cloud.batches.interface import Batch, Batches, LineResult
from carteiro.models.failures import Misconfigured, ModelFailure, RateLimited, Unavailable
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
_SUBMISSIONS = 5
"""How often one that the provider has no room for is submitted before it is made smaller."""
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
        publish: Callable[[bytes, bytes | None], Awaitable[None]],
        finished: Callable[[int], bool],
        rules: Rules,
        too_large: Callable[[], None],
        *,
        lines: Sequence[Line] = (),
        adopted: bool = False,
    ) -> None:
        self.batch, self._provider, self._rules = batch, provider, rules
        self._publish, self._finished, self._too_large = publish, finished, too_large
        self._lines = {line.id: line for line in lines}
        self._offsets = {offset_of(line) for line in batch.lines}
        self._unsure = adopted
        self._asked = asyncio.Event()
        self._asked_for_until = time.monotonic() + (_REPLAY_SECONDS if adopted else 0.0)

    def ask(self, line: Line) -> Line:
        """The line of this batch that has the other's id: it will get the result."""
        self._asked.set()
        return self._lines.setdefault(line.id, line)

    async def see_through(self) -> None:
        """Return once all is answered and cleared away."""
        ended = await self._ended()
        await self._hand_out(ended)
        for file in {self.batch.file, *ended.outputs}:
            with contextlib.suppress(ModelFailure):  # the provider deletes it some day
                await self._provider.delete(file)
        await self._publish(self.batch.key, None)

    async def _ended(self) -> Batch:
        """The batch at its end, however it came to that."""
        for _ in range(_SUBMISSIONS):
            if not await self._submit():
                return self._unsubmitted("it was not submitted")
            seen = await self._followed()
            if seen.status != "failed" or seen.code not in _NO_ROOM:
                return seen
            log.info("the provider has no room for a batch; it is submitted again", batch=self.batch.name)
            self.batch.id, self._unsure = None, False
            await self._keep()
            await self._wanted_after(min(self._rules.poll * 4, _LONGEST_PAUSE))
        self._too_large()
        await self._give_up("the provider has no room for it")
        return self._unsubmitted("the provider has no room for a batch of that size")

    async def _followed(self) -> Batch:
        """The submitted batch, once it has ended. It is cancelled when a promise is about to be broken, or nobody
        waits for it any more."""
        assert self.batch.id is not None
        cancelled = False
        while not self._all_finished:
            try:
                seen = await self._provider.look(self.batch.id)
                if seen.status != "running":
                    log.info("a batch has ended", batch=self.batch.name, status=seen.status, problem=seen.problem)
                    return seen
                if not cancelled and (self._due() or not (self._wanted or self._may_be_asked)):
                    log.info("a batch is cut short to keep a promise", batch=self.batch.name, requests=self._due())
                    await self._provider.cancel(self.batch.id)
                    cancelled = True
            except ModelFailure as failure:
                log.warning("cannot see how a batch stands", batch=self.batch.name, reason=failure.message)
            await asyncio.sleep(self._rules.poll)
        with contextlib.suppress(ModelFailure):
            await self._provider.cancel(self.batch.id)
            return await self._provider.look(self.batch.id)
        return self._unsubmitted("all is answered")

    async def _submit(self) -> bool:
        """Have it submitted, if it is not. Returns False where that was given up."""
        pause = self._rules.poll
        while self.batch.id is None and not self.batch.given_up:
            try:
                if self._unsure:
                    await self._make_sure()
                elif not self._wanted and self._may_be_asked:
                    await asyncio.sleep(min(_ASK_SECONDS, self._rules.poll))
                elif not self._wanted:
                    await self._give_up("nobody waits for it")
                else:
                    await self._provider.ready(self.batch.file)
                    await self._keep()
                    # Nothing may stand between the two: who lost the partition meanwhile must not get here.
                    self._unsure = True
                    await self._found(await self._provider.submit(self.batch.name, self.batch.file))
            except (Unavailable, RateLimited, Misconfigured) as failure:
                # A refusal of the submission itself, unlike silence, says that there is none.
                self._unsure = self._unsure and not isinstance(failure, RateLimited | Misconfigured)
                log.warning("a batch is not submitted; trying again", batch=self.batch.name, reason=failure.message)
                pause = min(pause * 2, _LONGEST_PAUSE)
                await self._wanted_after(pause)
            except ModelFailure as failure:
                self._unsure = False
                await self._give_up(failure.message)
        return self.batch.id is not None

    async def _make_sure(self) -> None:
        """Look whether it was submitted after all; whoever did may be about to. Returns once that is known."""
        pause, until = _ASK_SECONDS, time.monotonic() + _SETTLE_SECONDS
        while True:
            try:
                found = await self._provider.find(self.batch.name, self.batch.file)
            except ModelFailure as failure:
                # It says nothing of the batch: to submit now might be to pay twice.
                log.warning("cannot see whether a batch is submitted", batch=self.batch.name, reason=failure.message)
                pause = min(pause * 2, _LONGEST_PAUSE)
                await asyncio.sleep(pause)
                continue
            if found:
                await self._found(*found)
            if found or time.monotonic() > until:
                self._unsure = False
                return
            await asyncio.sleep(min(_ASK_SECONDS, self._rules.poll))

    async def _found(self, *found: Batch) -> None:
        """It is submitted. Of several, which only a halted worker can have made, one is left."""
        alive = [each for each in found if each.status in ("running", "completed")] or list(found)
        self.batch.id = alive[0].id
        await self._keep()
        log.info("a batch is submitted", batch=self.batch.name, id=self.batch.id, lines=len(self.batch.lines))
        for other in alive[1:]:
            log.warning("a batch was submitted twice; one is cancelled", batch=self.batch.name, id=other.id)
            await self._provider.cancel(other.id)

    async def _give_up(self, reason: str) -> None:
        """Its requests go on without it; whoever serves them next must know that it is not to be submitted."""
        log.warning("a batch is given up", batch=self.batch.name, reason=reason)
        self.batch.given_up = True
        await self._keep()

    def _unsubmitted(self, problem: str) -> Batch:
        return Batch(self.batch.id or "", self.batch.name, self.batch.file, "failed", problem=problem)

    async def _keep(self) -> None:
        while True:
            began = time.monotonic()
            await self._publish(self.batch.key, self.batch.encode())
            if time.monotonic() - began < _FRESH_SECONDS:
                return

    async def _hand_out(self, ended: Batch) -> None:
        """Give results to whoever asks, until all requests with a line of this batch are answered."""
        while not self._all_finished:
            self._asked.clear()
            missing = {line.id: line for line in self._lines.values() if line.wanted}
            if missing:
                try:
                    if ended.id:
                        async for result in self._provider.results(ended):
                            if (line := missing.pop(result.id, None)) is not None:
                                self._settle(line, result)
                except ModelFailure as failure:
                    log.warning(
                        "cannot read a batch's results; trying again", batch=self.batch.name, reason=failure.message
                    )
                    await asyncio.sleep(min(self._rules.poll, _LONGEST_PAUSE))
                    continue
                reason = ended.problem or f"the batch ended ({ended.status}) without a result for it"
                for line in missing.values():
                    self._settle(line, LineResult(line.id, failure=Unavailable(reason)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self._rules.poll, _ASK_SECONDS)):
                    await self._asked.wait()
                    await asyncio.sleep(min(self._rules.poll, _ASK_SECONDS) / 2)  # several ask at once

    def _settle(self, line: Line, result: LineResult) -> None:
        line.settle(result)
        self._lines.pop(line.id, None)

    async def _wanted_after(self, seconds: float) -> None:
        """Wait so long, or until nobody waits for a line any more: a request may give up at any time."""
        until = time.monotonic() + seconds
        await asyncio.sleep(min(_ASK_SECONDS, self._rules.poll))
        while self._wanted and time.monotonic() < until:  # noqa: ASYNC110  # it ends by a clock, too
            await asyncio.sleep(min(_ASK_SECONDS, self._rules.poll))

    @property
    def _wanted(self) -> bool:
        """Whether anybody waits for a line."""
        return any(line.wanted for line in self._lines.values())

    @property
    def _may_be_asked(self) -> bool:
        """Whether lines may be about to be asked for, as the requests of an earlier owner are begun again."""
        return time.monotonic() < self._asked_for_until and not self._all_finished

    @property
    def _all_finished(self) -> bool:
        """Whether all requests with a line of this batch are answered."""
        return all(map(self._finished, self._offsets))

    def _due(self) -> int:
        """How many lines have to be taken out of the batch by now."""
        now = time.time()
        return sum(line.wanted and line.until - self._rules.margin <= now for line in self._lines.values())

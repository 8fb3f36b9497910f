"""A batch provider on a clock of its own. Each call has a fate, such as a lost answer or the death of the worker."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

from carteiro.models.cloud.batch_api.interface import BatchItemResult, BatchStatus, ProviderBatch
from carteiro.models.errors import InvalidPrompt, Misconfigured, RateLimited, Unavailable
from tests.unit.worker.batch_api.fake_batch_api import ProcessKilled

T = TypeVar("T")

_MAX_PAUSES = 100_000


class VirtualClock:
    """Clock that only its sleepers move, to `on_tick` after each move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.on_tick: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)
        assert len(self.pauses) < _MAX_PAUSES, "the job does not come to an end"
        self.on_tick()
        await asyncio.sleep(0)


class Fate(Enum):
    """The fate of one call of the provider, or of one write of the batch's record."""

    OK = auto()
    DOWN = auto()
    LOST_ANSWER = auto()
    RATE_LIMITED = auto()
    KEY_REJECTED = auto()
    REJECTED = auto()
    DEATH_BEFORE = auto()
    DEATH_AFTER = auto()
    LATE = auto()
    """The call takes effect later, and no answer comes in time."""
    LATE_AND_DEATH = auto()


class Outcome(Enum):
    """The way in which the provider ends a batch."""

    COMPLETED = auto()
    FAILED = auto()
    EXPIRED = auto()
    NO_ROOM = auto()


_ERRORS = {
    Fate.DOWN: Unavailable("away"),
    Fate.RATE_LIMITED: RateLimited("slowly", 1),
    Fate.KEY_REJECTED: Misconfigured("the key"),
    Fate.REJECTED: InvalidPrompt("no"),
}


@dataclass(slots=True)
class _Batch:
    name: str
    file: str
    item_ids: list[str]
    created_at: float
    outcome: Outcome
    cancelled: bool = False


class SimulatedProvider:
    """Provider whose batches take an hour, and are in its list after `listing_lag` seconds."""

    max_bytes = 10_000
    DURATION = 3600.0

    def __init__(
        self,
        clock: VirtualClock,
        fates: Sequence[Fate] = (),
        outcomes: Sequence[Outcome] = (),
        *,
        listing_lag: float = 0.0,
        lateness: float = 0.0,
    ) -> None:
        """`lateness` is the time in seconds after which a late call takes effect, 30 seconds after its end."""
        self._clock, self._fates, self._outcomes = clock, iter(fates), iter(outcomes)
        self._listing_lag, self._lateness = listing_lag, lateness
        self.files: dict[str, list[str]] = {}
        self.batches: dict[str, _Batch] = {}
        self.calls: list[str] = []
        self._late: list[tuple[float, Callable[[], object]]] = []
        self._numbers = itertools.count(1)

    async def call(self, name: str, effect: Callable[[], T]) -> T:
        """Do one call with the next fate."""
        await asyncio.sleep(0)
        self._clock.now += 0.1
        self.run_late_calls()
        self.calls.append(name)
        fate = next(self._fates, Fate.OK)
        if fate in (Fate.LATE, Fate.LATE_AND_DEATH) and name == "submit":
            self._late.append((self._clock.now + self._lateness, effect))
        if fate in (Fate.DEATH_BEFORE, Fate.LATE_AND_DEATH):
            raise ProcessKilled
        if name == "publish" and fate is not Fate.DEATH_AFTER:
            return effect()
        if fate in _ERRORS:
            raise _ERRORS[fate]
        if fate is Fate.LATE:
            self._clock.now += max(self._lateness - 30, 0)
            raise Unavailable("no answer in time")
        result = effect()
        if fate is Fate.DEATH_AFTER:
            raise ProcessKilled
        if fate is Fate.LOST_ANSWER:
            raise Unavailable("the answer was lost")
        return result

    def run_late_calls(self, *, all_of_them: bool = False) -> None:
        """Let late calls take effect whose time has come."""
        due = [each for each in self._late if all_of_them or each[0] <= self._clock.now]
        self._late = [each for each in self._late if each not in due]
        for _, effect in due:
            try:
                effect()
            except InvalidPrompt:
                continue

    def paid(self) -> Counter[str]:
        """Return how often each item is paid in the end. Batches that run now are completed."""
        self.run_late_calls(all_of_them=True)
        completed = [each for each in self.batches.values() if not each.cancelled and each.outcome is Outcome.COMPLETED]
        return Counter(identifier for batch in completed for identifier in batch.item_ids)

    async def wait_until_ready(self, file: str) -> None:
        await self.call("wait_until_ready", lambda: None)

    async def upload_ids(self, item_ids: Iterable[str]) -> str:
        def effect() -> str:
            file = f"file-{next(self._numbers)}"
            self.files[file] = [*item_ids]
            return file

        return await self.call("upload", effect)

    async def submit(self, name: str, file: str) -> ProviderBatch:
        def effect() -> ProviderBatch:
            if file not in self.files:
                raise InvalidPrompt("there is no such file")
            identifier = f"batch-{next(self._numbers)}"
            outcome = next(self._outcomes, Outcome.COMPLETED)
            self.batches[identifier] = _Batch(name, file, self.files[file], self._clock.now, outcome)
            return self._describe(identifier)

        return await self.call("submit", effect)

    async def find(self, name: str, file: str) -> list[ProviderBatch]:
        def effect() -> list[ProviderBatch]:
            shown = self._clock.now - self._listing_lag
            return [
                self._describe(identifier)
                for identifier, batch in reversed(self.batches.items())
                if batch.created_at <= shown and (batch.name == name or batch.file == file)
            ]

        return await self.call("find", effect)

    async def retrieve(self, id: str) -> ProviderBatch:  # noqa: A002
        return await self.call("retrieve", lambda: self._describe(id))

    async def results(self, batch: ProviderBatch) -> AsyncIterator[BatchItemResult]:
        def effect() -> list[BatchItemResult]:
            if self._status(self.batches[batch.id]) != "completed":
                return []
            return [BatchItemResult(each, answer="A") for each in self.batches[batch.id].item_ids]

        for result in await self.call("results", effect):
            yield result

    async def cancel(self, id: str) -> None:  # noqa: A002
        def effect() -> None:
            if self._status(self.batches[id]) == "running":
                self.batches[id].cancelled = True

        await self.call("cancel", effect)

    async def delete_file(self, file: str) -> None:
        await self.call("delete_file", lambda: self.files.pop(file, None))

    def _status(self, batch: _Batch) -> BatchStatus:
        if batch.cancelled:
            return "cancelled"
        if self._clock.now - batch.created_at < self.DURATION:
            return "running"
        statuses: dict[Outcome, BatchStatus] = {Outcome.COMPLETED: "completed", Outcome.EXPIRED: "expired"}
        return statuses.get(batch.outcome, "failed")

    def _describe(self, identifier: str) -> ProviderBatch:
        batch = self.batches[identifier]
        status = self._status(batch)
        code = "token_limit_exceeded" if status == "failed" and batch.outcome is Outcome.NO_ROOM else None
        return ProviderBatch(identifier, batch.name, batch.file, status, error_code=code)

    def encode_line(self, id: str, body: dict[str, Any]) -> bytes:  # noqa: A002
        raise NotImplementedError

    async def upload(self, name: str, lines: Iterable[bytes]) -> str:
        raise NotImplementedError

    async def list_files(self, prefix: str) -> list[tuple[str, str]]:
        raise NotImplementedError

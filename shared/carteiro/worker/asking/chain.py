"""Which model answers: the first of a task's models that is there, and the next where it fails."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog

from carteiro.models.failures import (
    InvalidOutput,
    Misconfigured,
    ModelFailure,
    PromptTooLarge,
    RateLimited,
    Unavailable,
    Unsupported,
)
from carteiro.models.interface import ChatModel, Model
from carteiro.worker.asking.parking import Gate
from carteiro.worker.asking.retrying import Retrying, pause_after
from carteiro.worker.asking.showing import shown
from carteiro.worker.asking.spending import Bill, OverBudget
from carteiro.worker.observing.tracing import model_span
from carteiro.worker.streaming import Stream

log = structlog.get_logger("carteiro.worker")
T = TypeVar("T")

_ROUNDS = 3
"""How often a request goes along the whole chain before it is given up."""
_PASSING = (Unavailable, RateLimited, Misconfigured)
"""The next model answers, and this one may be asked again."""
_FINAL = (PromptTooLarge, Unsupported, InvalidOutput, OverBudget)
"""This model cannot do it; the next may. What the caller did wrong, or a model declines, is the same for all."""


@dataclass(frozen=True, slots=True)
class Link:
    """One model of a chain, and the gate before it where it has one.

    `waits` puts before it, for one request, what has its prompts completed by a batch, until a time.
    """

    model: Model
    gate: Gate | None = None
    waits: Callable[[ChatModel, Bill, datetime | None], ChatModel] | None = None

    @property
    def closed(self) -> bool:
        """Whether a call would have to wait for a gate; before batches there is none."""
        return self.gate is not None and self.gate.closed and self.waits is None


class Chain:
    """A task's models, the one that is wanted most first. There is at least one."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = tuple(links)

    @property
    def parked(self) -> str | None:
        """Why no model of the chain may be called; None where one may."""
        reasons = [link.gate.reason if link.gate else None for link in self.links]
        return "; ".join(filter(None, reasons)) if all(reasons) else None

    @property
    def waits(self) -> bool:
        """Whether its requests wait for batches: what they take says nothing of the model's speed."""
        return any(link.waits for link in self.links)

    @property
    def names(self) -> list[str]:
        """What replies call the models."""
        return [link.model.name for link in self.links]

    def only(self, wanted: str) -> "Chain | None":
        """The chain of the one model that is called so, with or without its provider; None where none is."""
        found = [link for link in self.links if wanted in (link.model.name, link.model.name.partition(":")[2])]
        return Chain(found[:1]) if found else None


class Attempts:
    """One request on its way along a chain."""

    def __init__(
        self, chain: Chain, bill: Bill, stream: Stream | None = None, deadline: datetime | None = None
    ) -> None:
        """`stream` is given what models write, where they can be seen writing."""
        self._chain, self._bill, self._stream, self._deadline = chain, bill, stream, deadline
        self._asked: list[Retrying] = []
        self.model = chain.links[0].model
        """The model that was asked last."""
        self.billed = False
        """Whether its calls are on the bill already."""

    @property
    def tries(self) -> int:
        """How many calls were made, of all models that may fail in passing."""
        return sum(asked.tries for asked in self._asked)

    async def run(self, work: Callable[[Model], Awaitable[T]]) -> T:
        """What `work` makes of the first model with which it succeeds.

        A model whose gate is closed is passed over; where all are, the first that opens is asked. Raises the last
        model's failure.
        """
        links = list(self._chain.links)
        if len(links) == 1:
            return await self._ask(links[0], work, patient=True)
        rounds = 0
        while True:
            failure: ModelFailure | None = None
            for link in [each for each in links if not each.closed]:
                try:
                    return await self._ask(link, work, patient=False)
                except _PASSING as passing:
                    failure = passing
                except _FINAL as final:
                    failure = final
                    links.remove(link)
                log.warning("the model failed; asking the next", model=link.model.name, reason=failure.message)
            if failure is None:
                await _first_open(links)
                continue
            rounds += 1
            if not links or rounds == _ROUNDS:
                raise failure
            await asyncio.sleep(random.uniform(0, pause_after(rounds)))  # noqa: S311

    async def _ask(self, link: Link, work: Callable[[Model], Awaitable[T]], *, patient: bool) -> T:
        self.model, self.billed = link.model, link.gate is not None
        if link.gate is None:
            with model_span(link.model.name):
                return await work(shown(link.model, self._stream))
        asked = Retrying(link.gate, self._bill, self._stream, patient=patient)
        self._asked.append(asked)
        return await work(link.waits(asked, self._bill, self._deadline) if link.waits else asked)


async def _first_open(links: Sequence[Link]) -> None:
    """Return when a call of one of the models may begin."""
    waits = [asyncio.ensure_future(link.gate.enter()) for link in links if link.gate]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()

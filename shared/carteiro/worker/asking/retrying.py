"""Passing faults of a model, tried again: with growing pauses, within a budget of tries, and not while it is down."""

import asyncio
import random
from dataclasses import replace
from typing import TypeGuard

import structlog

from carteiro.models.failures import Misconfigured, QuotaExhausted, RateLimited, Unavailable
from carteiro.models.interface import (
    ChatModel,
    Completion,
    Model,
    Prompt,
    RankingModel,
    TranslationModel,
)
from carteiro.worker.asking.parking import Closed, Gate
from carteiro.worker.asking.showing import shown
from carteiro.worker.asking.spending import Bill
from carteiro.worker.asking.wrapping import Wrapping
from carteiro.worker.observing.tracing import model_span
from carteiro.worker.streaming import Stream

log = structlog.get_logger("carteiro.worker")

MOST_TRIES = 5
_IMPATIENT_TRIES = 2
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


class Retrying(Wrapping[ChatModel]):
    """A model as one request sees it: calls of it are tried again while that may help.

    A try counts against the request where the model answers others, or a probe. It does not where the model is
    down, refuses for its rate limit, or is not paid for: that is nothing the request can help.

    Where there is another model to ask it is not `patient`: it fails as soon as a call would have to wait.
    """

    def __init__(self, gate: Gate, bill: Bill, stream: Stream | None = None, *, patient: bool = True) -> None:
        self._model, self._gate, self._bill, self._patient = gate.model, gate, bill, patient
        self._shown = shown(gate.model, stream)
        self.tries = 0
        """How many calls were made, all in all."""

    async def complete(self, prompt: Prompt) -> Completion:
        counted = limited = 0
        while True:
            self._bill.check(self._model, prompt)
            outages = self._gate.outages
            try:
                await self._gate.enter(patient=self._patient)
                self.tries += 1
                completion = await self._call(prompt)
                self._gate.succeeded()
                return replace(completion, usage=self._bill.add(self.name, completion.usage))
            except Closed:
                raise
            except QuotaExhausted as failure:
                self._gate.failed(failure)
                if not self._patient:
                    raise
            except RateLimited as failure:
                limited += 1
                wait = failure.retry_after if failure.retry_after is not None else pause_after(limited)
                self._gate.hold(wait)
                if not self._patient and self._gate.closed:
                    raise
                log.info("the model takes no more calls for now", model=self.name, seconds=round(wait, 1))
                await asyncio.sleep(wait)
            except (Unavailable, Misconfigured) as failure:
                counted += 1
                self._gate.failed(failure)
                if not self._patient and (counted >= _IMPATIENT_TRIES or self._gate.closed):
                    raise
                log.warning("the model failed; trying again", model=self.name, reason=failure.message, tries=self.tries)
                await self._gate.enter(patient=self._patient)
                if self._gate.outages > outages:
                    counted -= 1
                if counted >= MOST_TRIES:
                    raise
                await asyncio.sleep(random.uniform(0, pause_after(counted)))  # noqa: S311

    async def _call(self, prompt: Prompt) -> Completion:
        with model_span(self.name, prompt) as answered:
            completion = await self._shown.complete(prompt)
            answered(completion)
        return completion


def may_fail_in_passing(model: Model) -> TypeGuard[ChatModel]:
    """Whether calls of a model are worth trying again. One that also ranks or translates runs in this process."""
    return isinstance(model, ChatModel) and not isinstance(model, RankingModel | TranslationModel)


def pause_after(failures: int) -> float:
    """Upper end of the pause after so many failures, in seconds. "Full jitter" takes a random part of it (M. Brooker,
    "Exponential Backoff and Jitter", AWS Architecture Blog, 2015)."""
    return float(min(_FIRST_PAUSE * 2**failures, _LONGEST_PAUSE))

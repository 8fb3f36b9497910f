"""The fallback chain of a task: the first model that is available answers, and the next one if it fails."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import structlog

from carteiro.models.abilities import service_tiers
from carteiro.models.errors import (
    InvalidOutput,
    Misconfigured,
    ModelError,
    PromptTooLarge,
    RateLimited,
    Unavailable,
    Unsupported,
)
from carteiro.models.interface import EmbeddingModel, Model
from carteiro.schemas import ServiceTier
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.model_calls.budget import OverBudget, UsageMeter
from carteiro.worker.model_calls.chat_model_proxy import with_streaming
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.deferred_request import DeferredRequest
from carteiro.worker.model_calls.retry import RetryingCalls, create_backoff, retrying, sleep_with_jitter
from carteiro.worker.model_calls.service_tier import TieredCalls, TierPolicy
from carteiro.worker.observability.semantic_conventions import CHAT
from carteiro.worker.observability.tracing import model_span
from carteiro.worker.reply_stream import ReplyStream

log = structlog.get_logger("carteiro.worker")
T = TypeVar("T")

_MAX_ROUNDS = 3
"""Rounds of a request through the whole chain before it fails."""
_TRANSIENT = (Unavailable, RateLimited, Misconfigured)
"""Errors after which the next model is called, and this one again in the next round."""
_PERMANENT = (PromptTooLarge, Unsupported, InvalidOutput, OverBudget)
"""Errors after which only the other models are called. A mistake of the caller, or a refusal, is the same for all
models, so those errors end the run.
"""


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """One model of a fallback chain."""

    model: Model
    circuit_breaker: CircuitBreaker | None = None
    """None for a model that runs in this process."""
    batch_wrapper: Callable[[Any, UsageMeter, datetime | None, DeferredRequest], Model] | None = None
    """Factory of a model, for one deferred request, that answers by a batch; None without batches."""

    @property
    def is_unavailable(self) -> bool:
        """True if a call would have to wait for the circuit breaker. A batch does not wait for it."""
        return self.circuit_breaker is not None and self.circuit_breaker.is_unavailable and self.batch_wrapper is None


class FallbackChain:
    """Models of a task, the preferred one first. There is at least one."""

    def __init__(self, targets: Sequence[ModelTarget], tiers: TierPolicy | None = None) -> None:
        self.targets = tuple(targets)
        self.tiers = tiers or TierPolicy()
        """Policy for the service tiers of the models' providers."""
        self.uses_batches = any(target.batch_wrapper for target in self.targets)
        """True if its requests wait for batches. Then their duration says nothing about the model's speed."""

    @property
    def pause_reason(self) -> str | None:
        """Reasons why no model of the chain may be called; None if at least one model may be called."""
        reasons = []
        for target in self.targets:
            if target.circuit_breaker is None or not target.circuit_breaker.reason:
                return None
            reasons.append(target.circuit_breaker.reason)
        return "; ".join(reasons)

    @property
    def model_names(self) -> list[str]:
        """Names of the models, as in replies."""
        return [target.model.name for target in self.targets]

    def restricted_to(self, wanted: str) -> "FallbackChain | None":
        """Return a chain of only the model with this name; None if there is no such model.

        The name may be without its provider (`gpt-4o` for `openai:gpt-4o`).
        """
        matching = [
            target for target in self.targets if wanted in (target.model.name, target.model.name.partition(":")[2])
        ]
        return FallbackChain(matching[:1], self.tiers) if matching else None


class FallbackRun:
    """Run of one request through a fallback chain."""

    def __init__(
        self,
        chain: FallbackChain,
        meter: UsageMeter,
        stream: ReplyStream | None = None,
        deadline: datetime | None = None,
        deferred: DeferredRequest | None = None,
        journal: RequestJournal | None = None,
        tier: ServiceTier | None = None,
    ) -> None:
        """`stream` gets the text while a model writes it, if the model can stream. `deferred` is set if the chain
        uses batches. `journal` keeps the calls of remote models that chat; batches keep their own. `tier` is the
        service tier of live calls; None for the provider's default.
        """
        self.chain, self._meter, self._stream, self._deadline = chain, meter, stream, deadline
        self._deferred, self._journal, self._tier = deferred, journal, tier
        self._retrying_calls: list[RetryingCalls] = []
        self.model = chain.targets[0].model
        """The model that was called last."""
        self.is_metered = False
        """True if the model's calls record their usage themselves."""

    @property
    def tries(self) -> int:
        """Number of calls of remote models, over the whole run."""
        return sum(calls.tries for calls in self._retrying_calls)

    async def run(self, work: Callable[[Model], Awaitable[T]]) -> T:
        """Return the result of `work` with the first model with which it succeeds.

        A model whose circuit is open is skipped. If all circuits are open, the run waits for the first that closes.
        Raise the last model's error if all models fail.
        """
        targets = list(self.chain.targets)
        if len(targets) == 1:
            return await self._call(targets[0], work, wait_if_open=True)
        rounds, backoff = 0, create_backoff()
        while True:
            failure: ModelError | None = None
            for target in [each for each in targets if not each.is_unavailable]:
                try:
                    return await self._call(target, work, wait_if_open=False)
                except _TRANSIENT as passing:
                    failure = passing
                except _PERMANENT as final:
                    failure = final
                    targets.remove(target)
                # Only these messages are logged: a model that refuses a request may quote it.
                reason = {"reason": failure.message} if isinstance(failure, _TRANSIENT) else {"code": failure.code}
                log.warning("the model failed; asking the next", model=target.model.name, **reason)
            if failure is None:
                await _wait_for_first_available(targets)
                continue
            rounds += 1
            if not targets or rounds == _MAX_ROUNDS:
                raise failure
            await backoff.pause()

    async def _call(self, target: ModelTarget, work: Callable[[Model], Awaitable[T]], *, wait_if_open: bool) -> T:
        self.model, self.is_metered = target.model, target.circuit_breaker is not None
        if target.circuit_breaker is None:
            operation = "embeddings" if isinstance(target.model, EmbeddingModel) else CHAT
            with model_span(target.model.name, operation=operation):
                return await work(with_streaming(target.model, self._stream))
        calls = RetryingCalls(target.circuit_breaker, self._meter, wait_if_open=wait_if_open)
        self._retrying_calls.append(calls)
        model = target.circuit_breaker.model
        retrying_model = retrying(model, calls, self._stream, self._journal, self._tiered_calls(target))
        if target.batch_wrapper is None:
            return await work(retrying_model)
        assert self._deferred is not None
        return await work(target.batch_wrapper(retrying_model, self._meter, self._deadline, self._deferred))

    def _tiered_calls(self, target: ModelTarget) -> TieredCalls | None:
        """Return the calls in the run's tier, if the model's provider has it. Batches have a tier of their own."""
        tier = self._tier
        if tier is None or target.batch_wrapper is not None or tier not in service_tiers(target.model):
            return None
        return TieredCalls(tier, self.chain.tiers, self._deadline, self._meter.task)


async def _wait_for_first_available(targets: Sequence[ModelTarget]) -> None:
    """Return when a call of one of the models may begin: its circuit closes, or its cool-down ends."""
    waits = [
        asyncio.ensure_future(_wait_until_available(target.circuit_breaker))
        for target in targets
        if target.circuit_breaker
    ]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _wait_until_available(circuit_breaker: CircuitBreaker) -> None:
    while circuit_breaker.is_unavailable:
        await circuit_breaker.acquire()
        remaining = circuit_breaker.cool_down_until - time.monotonic()
        if remaining > 0:
            await sleep_with_jitter(remaining)

"""Retries of a model's transient errors: with growing pauses, up to a number of tries, and not while it is down."""

import asyncio
import random
from dataclasses import replace

import structlog

from carteiro.concurrency.backoff import Backoff
from carteiro.models.errors import Misconfigured, QuotaExhausted, RateLimited, Unavailable
from carteiro.models.interface import (
    ChatModel,
    Completion,
    Prompt,
)
from carteiro.worker.model_calls.budget import UsageMeter
from carteiro.worker.model_calls.chat_model_proxy import ChatModelProxy, with_streaming
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker, CircuitOpen
from carteiro.worker.observability.tracing import model_span
from carteiro.worker.reply_stream import ReplyStream

log = structlog.get_logger("carteiro.worker")

MAX_TRIES = 5
_MAX_TRIES_WITH_FALLBACK = 2
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_JITTER = 1.05
"""Largest factor by which the wait for a rate limit is made longer, so that requests do not return all at once."""


class RetryingModel(ChatModelProxy[ChatModel]):
    """Chat model for one request that retries failed calls of another one.

    A failed try counts against the request if the model answers other requests, or a probe. It does not count if the
    model is down, rejects the call by its rate limit, or has no quota left: the request is not the cause.

    With `wait_if_open=False`, for a model that has a fallback, it fails as soon as a call would have to wait.
    """

    def __init__(
        self,
        circuit_breaker: CircuitBreaker,
        meter: UsageMeter,
        stream: ReplyStream | None = None,
        *,
        wait_if_open: bool = True,
    ) -> None:
        self._model, self._circuit_breaker, self._meter, self._wait_if_open = (
            circuit_breaker.model,
            circuit_breaker,
            meter,
            wait_if_open,
        )
        self._streaming_model = with_streaming(circuit_breaker.model, stream)
        self.tries = 0
        """Number of calls so far."""

    async def complete(self, prompt: Prompt) -> Completion:
        counted, failures, refusals = 0, create_backoff(), create_backoff()
        while True:
            outages = self._circuit_breaker.confirmed_outages
            try:
                await self._circuit_breaker.acquire(wait_if_open=self._wait_if_open)
                async with self._meter.metered_call(self._model, prompt):
                    self.tries += 1
                    completion = await self._call(prompt)
                    self._circuit_breaker.record_success()
                    return replace(completion, usage=self._meter.record(self.name, completion.usage))
            except CircuitOpen:
                raise
            except QuotaExhausted as failure:
                self._circuit_breaker.record_failure(failure)
                if not self._wait_if_open:
                    raise
            except RateLimited as failure:
                wait = failure.retry_after if failure.retry_after is not None else refusals.next_pause()
                self._circuit_breaker.cool_down(wait)
                if not self._wait_if_open and self._circuit_breaker.is_unavailable:
                    raise
                log.info("the model takes no more calls for now", model=self.name, seconds=round(wait, 1))
                await sleep_with_jitter(wait)
            except (Unavailable, Misconfigured) as failure:
                counted += 1
                self._circuit_breaker.record_failure(failure)
                if not self._wait_if_open and (
                    counted >= _MAX_TRIES_WITH_FALLBACK or self._circuit_breaker.is_unavailable
                ):
                    raise
                await self._circuit_breaker.acquire(wait_if_open=self._wait_if_open)
                if self._circuit_breaker.confirmed_outages > outages:
                    counted -= 1
                if counted >= MAX_TRIES:
                    raise
                log.warning("the model failed; trying again", model=self.name, reason=failure.message, tries=self.tries)
                await failures.pause()

    async def _call(self, prompt: Prompt) -> Completion:
        with model_span(self.name, prompt) as answered:
            completion = await self._streaming_model.complete(prompt)
            answered(completion)
        return completion


async def sleep_with_jitter(seconds: float) -> None:
    """Wait for `seconds` seconds, and up to 5 % longer."""
    await asyncio.sleep(seconds * random.uniform(1, _JITTER))  # noqa: S311


def create_backoff() -> Backoff:
    """Return the pauses between the tries of one request."""
    return Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)

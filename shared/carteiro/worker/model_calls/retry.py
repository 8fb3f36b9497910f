"""Retries of a model's transient errors: with growing pauses, up to a number of tries, and not while it is down."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import structlog

from carteiro.concurrency.backoff import Backoff
from carteiro.models.abilities import is_language_service, is_remote_embedder, runs_in_background
from carteiro.models.embedding_batches import embed_in_batches
from carteiro.models.errors import Misconfigured, PromptTooLarge, QuotaExhausted, RateLimited, Unavailable
from carteiro.models.interface import ChatModel, EmbeddingModel, LanguageServiceModel, RemoteEmbeddingModel, RemoteModel
from carteiro.models.prompt import InputType, Message, Prompt
from carteiro.models.results import Completion, Embeddings
from carteiro.models.service_call import ServiceAnswer, ServiceCall
from carteiro.schemas import Usage
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.model_calls.budget import UsageMeter
from carteiro.worker.model_calls.chat_model_proxy import ChatModelProxy, ModelProxy, with_streaming
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker, CircuitOpen
from carteiro.worker.model_calls.service_tier import TieredCalls
from carteiro.worker.observability.tracing import model_span
from carteiro.worker.reply_stream import ReplyStream

log = structlog.get_logger("carteiro.worker")

A = TypeVar("A", Completion, Embeddings, ServiceAnswer)

MAX_TRIES = 5
_MAX_TRIES_WITH_FALLBACK = 2
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_JITTER = 1.05
"""Largest factor by which the wait for a rate limit is made longer, so that requests do not return all at once."""


class RetryingCalls:
    """Calls of a model for one request, which are made again if they fail.

    A failed try counts against the request if the model answers other requests, or a probe. It does not count if the
    model is down, rejects the call by its rate limit, or has no quota left: the request is not the cause.

    With `wait_if_open=False`, for a model that has a fallback, a call fails as soon as it would have to wait.
    """

    def __init__(self, circuit_breaker: CircuitBreaker, meter: UsageMeter, *, wait_if_open: bool = True) -> None:
        self._circuit_breaker, self.meter, self._wait_if_open = circuit_breaker, meter, wait_if_open
        self.tries = 0
        """Number of calls so far."""
        self._ranks: set[int] = set()
        self._lowest_rank = 0

    async def ranked(self, prompt: Prompt, complete: Callable[[Prompt], Awaitable[A]]) -> A:
        """Return the answer of `complete` for the prompt with the lowest rank that no other call of the request has in
        the meantime. Once calls were made at once, or a prompt was too large, rank 0 is left to other requests.
        """
        rank = self._lowest_rank
        while rank in self._ranks:
            rank += 1
        self._lowest_rank = min(rank, 1)
        self._ranks.add(rank)
        try:
            return await complete(replace(prompt, rank=rank) if rank else prompt)
        except PromptTooLarge:
            self._lowest_rank = 1  # Smaller parts of a long text follow.
            raise
        finally:
            self._ranks.remove(rank)

    async def attempt(self, prompt: Prompt, call: Callable[[], Awaitable[A]]) -> A:
        """Return the answer of `call`, with the cost of its usage. Raise its errors: they count as no failure of the
        model.
        """
        model = self._circuit_breaker.model
        await self._circuit_breaker.acquire(wait_if_open=self._wait_if_open)
        with await self.meter.begin_call(model, prompt):
            self.tries += 1
            answer = await call()
            self._circuit_breaker.record_success()
            return replace(answer, usage=self.meter.record(model.name, answer.usage))

    async def run(self, prompt: Prompt, call: Callable[[], Awaitable[A]]) -> A:
        """Return the answer of `call`, with the cost of its usage. `prompt` is what the model reads.

        Raise the errors of `carteiro.models.errors`.
        """
        counted, failures, refusals = 0, create_backoff(), create_backoff()
        model = self._circuit_breaker.model
        while True:
            outages = self._circuit_breaker.confirmed_outages
            try:
                return await self.attempt(prompt, call)
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
                log.info("the model takes no more calls for now", model=model.name, seconds=round(wait, 1))
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
                log.warning(
                    "the model failed; trying again", model=model.name, reason=failure.message, tries=self.tries
                )
                await failures.pause()


class RetryingModel(ChatModelProxy[ChatModel]):
    """Chat model for one request, which calls another one by `calls`."""

    def __init__(
        self,
        model: ChatModel,
        calls: RetryingCalls,
        stream: ReplyStream | None = None,
        journal: RequestJournal | None = None,
        tiers: TieredCalls | None = None,
    ) -> None:
        """`tiers` is None if the provider chooses the tier."""
        self._model, self._calls, self._journal, self._tiers = model, calls, journal, tiers
        self._streaming_model = with_streaming(model, stream)

    async def complete(self, prompt: Prompt) -> Completion:
        if self._journal is None:
            return await self._run(prompt)
        return await self._journal.complete(
            self.name, prompt, partial(self._run, prompt), self._calls.meter.record_reused
        )

    async def _run(self, prompt: Prompt) -> Completion:
        if self._tiers is None:
            return await self._complete_retrying(prompt)
        return await self._tiers.complete(self.name, prompt, self._complete_once, self._complete_retrying)

    async def _complete_retrying(self, prompt: Prompt) -> Completion:
        return await self._calls.ranked(prompt, lambda ranked: self._calls.run(ranked, partial(self._call, ranked)))

    async def _complete_once(self, prompt: Prompt) -> Completion:
        return await self._calls.ranked(prompt, lambda ranked: self._calls.attempt(ranked, partial(self._call, ranked)))

    async def _call(self, prompt: Prompt) -> Completion:
        with model_span(self.name, prompt) as answered:
            completion = await self._complete(prompt)
            answered(completion)
        return completion

    async def _complete(self, prompt: Prompt) -> Completion:
        model, journal = self._model, self._journal
        if journal is None or self._streaming_model is not model or not runs_in_background(model, prompt):
            return await self._streaming_model.complete(prompt)
        async with journal.background_call(self.name, prompt) as call:
            completion = await model.complete_in_background(prompt, call)
        usage = completion.usage.model_copy(update={"reused_calls": 1}) if call.is_reused else completion.usage
        return replace(completion, usage=usage)


def prompt_of_texts(texts: Sequence[str]) -> Prompt:
    """Return a prompt that costs what the vectors of texts cost."""
    return Prompt(messages=[Message("user", text) for text in texts], max_output_tokens=1)


class RetryingEmbedder(ModelProxy[RemoteEmbeddingModel], EmbeddingModel):
    """Embedding model for one request, which calls another one by `calls`: only the texts of a failed call are sent
    again.
    """

    def __init__(self, model: RemoteEmbeddingModel, calls: RetryingCalls) -> None:
        self._model, self._calls = model, calls

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType | None = None, dimensions: int | None = None
    ) -> Embeddings:
        if not texts:
            return Embeddings([], Usage())
        call = partial(self._embed_batch, input_type=input_type, dimensions=dimensions)
        return await embed_in_batches(self._model.batch_limit, call, texts)

    async def _embed_batch(
        self, texts: Sequence[str], *, input_type: InputType | None, dimensions: int | None
    ) -> Embeddings:
        call = partial(self._call, texts, input_type=input_type, dimensions=dimensions)
        return await self._calls.run(prompt_of_texts(texts), call)

    async def _call(self, texts: Sequence[str], *, input_type: InputType | None, dimensions: int | None) -> Embeddings:
        with model_span(self.name, operation="embeddings") as answered:
            embedded = await self._model.embed_batch(texts, input_type=input_type, dimensions=dimensions)
            answered(embedded)
        return embedded


def _retrying_service(
    model: LanguageServiceModel, calls: RetryingCalls, journal: RequestJournal | None
) -> LanguageServiceModel:
    async def run(call: ServiceCall, send: Callable[[], Awaitable[ServiceAnswer]]) -> ServiceAnswer:
        async def send_traced() -> ServiceAnswer:
            with model_span(model.name, operation="language_service"):
                return await send()

        prompt = Prompt(messages=[Message("user", call.text)], max_output_tokens=1)
        if journal is None:
            return await calls.run(prompt, send_traced)

        async def complete() -> Completion:
            answer = await calls.run(prompt, send_traced)
            return Completion(json.dumps(answer.content), "stop", answer.usage)

        identity = Prompt(messages=[Message("user", json.dumps([call.path, call.body]))])
        kept = await journal.complete(model.name, identity, complete, calls.meter.record_reused)
        return ServiceAnswer(json.loads(kept.text), kept.usage)

    return model.with_runner(run)


def retrying(
    model: RemoteModel,
    calls: RetryingCalls,
    stream: ReplyStream | None = None,
    journal: RequestJournal | None = None,
    tiers: TieredCalls | None = None,
) -> Any:
    """Return a model for one request that calls `model` by `calls`.

    If it chats, it writes to `stream`, finds the calls in `journal`, and makes them in `tiers`. A language service has
    the journal too.
    """
    if is_remote_embedder(model):
        return RetryingEmbedder(model, calls)
    if is_language_service(model):
        return _retrying_service(model, calls, journal)
    return RetryingModel(model, calls, stream, journal, tiers)


async def sleep_with_jitter(seconds: float) -> None:
    """Wait for `seconds` seconds, and up to 5 % longer."""
    await asyncio.sleep(seconds * random.uniform(1, _JITTER))  # noqa: S311


def create_backoff() -> Backoff:
    """Return the pauses between the tries of one request."""
    return Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)

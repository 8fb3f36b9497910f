"""Models that answer by their batch API, and by live calls if a deadline is too near."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Generic, TypeVar

import structlog

from carteiro.models.errors import Unavailable
from carteiro.models.interface import ChatModel, EmbeddingModel, Model
from carteiro.models.prompt import EmbeddingPrompt, InputType, Prompt
from carteiro.models.results import Completion, Embeddings
from carteiro.schemas import Usage
from carteiro.worker.batch_api.partition_batcher import DeadlineNear
from carteiro.worker.model_calls.budget import UsageMeter
from carteiro.worker.model_calls.chat_model_proxy import ModelProxy
from carteiro.worker.model_calls.deferred_request import DeferredRequest
from carteiro.worker.model_calls.retry import prompt_of_texts
from carteiro.worker.observability import metrics

log = structlog.get_logger("carteiro.worker")

M = TypeVar("M", bound=Model)
A = TypeVar("A", Completion, Embeddings)

_DEFAULT_WAIT_SECONDS = 24 * 3600.0
"""Time to the deadline of a request that sets none."""


class _BatchFirst(ModelProxy[M], Generic[M]):
    """Model for one deferred request of `task`. It answers by batches.

    If the deadline is near and `model` is the only model of its chain, it calls `model` live. Otherwise it raises
    `Unavailable`, so that the next model of the chain is called. It records the usage of batches in `meter`; live calls
    record their own.
    """

    def __init__(
        self,
        model: M,
        meter: UsageMeter,
        deadline: datetime | None,
        request: DeferredRequest,
        *,
        task: str,
        is_only_model: bool,
    ) -> None:
        self._model, self._meter, self._request, self._task = model, meter, request, task
        self._is_only_model = is_only_model
        # The monotonic clock never jumps, unlike the wall clock.
        remaining = (deadline - datetime.now(UTC)).total_seconds() if deadline else _DEFAULT_WAIT_SECONDS
        self._monotonic_deadline = time.monotonic() + remaining

    async def _answer(
        self, prompt: Prompt | EmbeddingPrompt, paid_prompt: Prompt, call_live: Callable[[], Awaitable[A]]
    ) -> A:
        """Return the answer to `prompt`. `paid_prompt` is the prompt that costs as much."""
        try:
            with await self._meter.begin_call(self._model, paid_prompt, batch=True):
                item_id, answer = await self._request.batcher.complete(
                    self.name, prompt, self._request.offset, self._monotonic_deadline, self._add_batch_usage
                )
                answered: A = replace(answer, usage=self._add_batch_usage(item_id, answer.usage))
                return answered
        except DeadlineNear:
            log.info("a deferred request falls back to a live call", model=self.name)
            metrics.labelled(metrics.BATCH_FALLBACKS, self._task).inc()
            if not self._is_only_model:
                raise Unavailable(f"there is no more time for a batch of {self.name}") from None
            return await call_live()

    def _add_batch_usage(self, item_id: str, usage: Usage) -> Usage:
        """Record the usage of a batch item, and return it with its cost."""
        return self._meter.record(self.name, usage.model_copy(update={"service_tier": "batch"}), item_id)


class BatchFirstModel(_BatchFirst[ChatModel], ChatModel):
    """Chat model for one deferred request."""

    async def complete(self, prompt: Prompt) -> Completion:
        return await self._answer(prompt, prompt, partial(self._model.complete, prompt))


class BatchFirstEmbedder(_BatchFirst[EmbeddingModel], EmbeddingModel):
    """Embedding model for one deferred request. The texts of a call are one line of a batch."""

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType | None = None, dimensions: int | None = None
    ) -> Embeddings:
        if not texts:
            return Embeddings([], Usage())
        prompt = EmbeddingPrompt(texts=tuple(texts), input_type=input_type, dimensions=dimensions)
        call_live = partial(self._model.embed, texts, input_type=input_type, dimensions=dimensions)
        return await self._answer(prompt, prompt_of_texts(texts), call_live)

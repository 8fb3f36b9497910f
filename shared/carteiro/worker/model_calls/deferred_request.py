"""A deferred request as the calls of its models see it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from carteiro.models.prompt import EmbeddingPrompt, Prompt
from carteiro.schemas import Usage


class PromptBatcher(Protocol):
    """Completes the prompts of deferred requests by batches."""

    async def complete(
        self,
        model: str,
        prompt: Prompt | EmbeddingPrompt,
        offset: int,
        deadline: float,
        on_wasted_usage: Callable[[str, Usage], object],
    ) -> tuple[str, Any]:
        """Return the id of a batch item, and its answer: a `Completion` or `Embeddings`, as the prompt asks for.

        `offset` is that of the deferred request, `deadline` its deadline in monotonic seconds. `on_wasted_usage` is
        called with the id and usage of each item that used tokens without a usable result.
        """


@dataclass(frozen=True, slots=True)
class DeferredRequest:
    """Position of a deferred request: its offset, and the batcher of its partition."""

    offset: int
    batcher: PromptBatcher


@dataclass(frozen=True, slots=True)
class Deferral:
    """A deferred request, and the time from which its prompts need live calls."""

    request: DeferredRequest
    deadline: datetime

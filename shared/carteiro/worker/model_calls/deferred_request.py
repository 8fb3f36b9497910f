"""A deferred request as the calls of its models see it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from carteiro.models.interface import Completion, Prompt
from carteiro.schemas import Usage


class Batcher(Protocol):
    """Completes the prompts of deferred requests by batches."""

    async def complete(
        self,
        model: str,
        prompt: Prompt,
        offset: int,
        deadline: float,
        on_wasted_usage: Callable[[str, Usage], object],
    ) -> tuple[str, Completion]:
        """Return the id of a batch item, and its completion.

        `offset` is that of the deferred request, `deadline` its deadline in monotonic seconds. `on_wasted_usage` is
        called with the id and usage of each item that used tokens without a usable result.
        """


@dataclass(frozen=True, slots=True)
class DeferredRequest:
    """Position of a deferred request: its offset, and the batcher of its partition."""

    offset: int
    batcher: Batcher

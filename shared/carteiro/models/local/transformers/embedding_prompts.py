"""Prompts of embedding models: texts that stand before a query or a document, as the model's files or its card say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from carteiro.models.local.transformers.model_files import read_json
from carteiro.models.prompt import InputType

_NAMES: Mapping[InputType, tuple[str, ...]] = {"query": ("query",), "document": ("document", "passage", "corpus")}
"""Names of the prompts for each type of input, in the order in which Sentence Transformers looks for them. It saves
an empty prompt of the first name, so an empty one does not count."""


@dataclass(frozen=True, slots=True)
class EmbeddingPrompts:
    """Texts before a query, before a document, and before a text of no type; empty if the model has none."""

    query: str = ""
    document: str = ""
    default: str = ""

    def prefix(self, input_type: InputType | None) -> str:
        """Return the text before a text of this type."""
        return self.default if input_type is None else self.query if input_type == "query" else self.document


_E5 = EmbeddingPrompts("query: ", "passage: ", "query: ")
_BGE = EmbeddingPrompts("Represent this sentence for searching relevant passages: ")
_NOMIC = EmbeddingPrompts("search_query: ", "search_document: ")
_CARDS: tuple[tuple[re.Pattern[str], EmbeddingPrompts], ...] = (
    (re.compile(r"(?:^|[/_-])(?:multilingual-)?e5-(?:small|base|large)(?:-v2)?(?:/|$)"), _E5),
    (re.compile(r"(?:^|[/_-])bge-(?:small|base|large)-en(?:-v1\.5)?(?:/|$)"), _BGE),
    (re.compile(r"(?:^|[/_-])nomic-embed-text-v[12](?:\.5)?(?:-moe)?(?:/|$)"), _NOMIC),
)
"""Prompts of models whose files leave them to the card: https://huggingface.co/intfloat/multilingual-e5-small,
https://huggingface.co/BAAI/bge-small-en-v1.5, https://huggingface.co/nomic-ai/nomic-embed-text-v1.5."""


def read_prompts(location: str) -> EmbeddingPrompts:
    """Return the prompts of the model in a directory or on the hub: from its files, or else by its name."""
    config = read_json(location, "config_sentence_transformers.json")
    config = config if isinstance(config, dict) else {}
    named = config.get("prompts")
    prompts = {name: text for name, text in named.items() if isinstance(text, str)} if isinstance(named, dict) else {}
    if any(prompts.values()):
        found = {kind: next(filter(None, map(prompts.get, names)), "") for kind, names in _NAMES.items()}
        return EmbeddingPrompts(found["query"], found["document"], prompts.get(config.get("default_prompt_name"), ""))
    return next((known for pattern, known in _CARDS if pattern.search(location)), EmbeddingPrompts())

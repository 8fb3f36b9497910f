"""The model that embeds, and its own speed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from carteiro.models.interface import EmbeddingModel
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from carteiro.retrieval.document import Document
from carteiro.retrieval.splitter import DEFAULT_MAX_TOKENS, OVERLAP_SHARE, split_document

EMBEDDER = "local:minilm"


@dataclass(frozen=True, slots=True)
class Work:
    """Chunks that were embedded, and the seconds that it took: of the clock, and of processors."""

    chunks: int
    seconds: float
    cpu_seconds: float


async def open_embedder() -> EmbeddingModel:
    """Return the loaded model."""
    model: Any = open_model(EMBEDDER, ModelSettings())
    await model.load()
    return model  # type: ignore[no-any-return]


async def embed_all(documents: Sequence[Document], model: EmbeddingModel) -> Work:
    """Embed the chunks of documents in one call. To split them does not count."""
    limit = min(DEFAULT_MAX_TOKENS, model.context_tokens or DEFAULT_MAX_TOKENS)
    chunks = [
        chunk.embedded_text
        for each in documents
        for chunk in split_document(each, model.count_tokens, limit, int(limit * OVERLAP_SHARE))
    ]
    cpu, began = time.process_time(), time.perf_counter()
    await model.embed(chunks, input_type="document")
    return Work(len(chunks), time.perf_counter() - began, time.process_time() - cpu)

"""Embeddings of texts that may be longer than a model's context."""

import asyncio
from collections.abc import Sequence

from carteiro.models.interface import EmbeddingModel
from carteiro.models.prompt import InputType
from carteiro.models.results import Embeddings
from carteiro.text.splitter import split_text
from carteiro.text.vectors import Vector, mean_direction


async def embed_long_texts(
    model: EmbeddingModel,
    texts: Sequence[str],
    *,
    input_type: InputType | None = None,
    dimensions: int | None = None,
) -> Embeddings:
    """Return one vector of length 1 for each text. The vector of a longer text is the mean of its parts' vectors.

    `input_type` and `dimensions` are as in `EmbeddingModel.embed`.
    """
    # Off the event loop: counting the tokens of a long document takes a while.
    parts = await asyncio.to_thread(_split_all, model, texts)
    embedded = await model.embed(
        [part for each in parts for part in each], input_type=input_type, dimensions=dimensions
    )
    vectors: list[Vector] = []
    start = 0
    for each in parts:
        own = embedded.vectors[start : start + len(each)]
        vectors.append(own[0] if len(own) == 1 else mean_direction(own))
        start += len(each)
    return Embeddings(vectors, embedded.usage)


def _split_all(model: EmbeddingModel, texts: Sequence[str]) -> list[list[str]]:
    limit = model.context_tokens
    # A text never has more tokens than characters, so a text of up to `limit` characters is not counted.
    return [split_text(text, limit, model.count_tokens) if limit and len(text) > limit else [text] for text in texts]

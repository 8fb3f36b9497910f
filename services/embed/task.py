"""The embed task: texts in, vectors out."""

import asyncio
from collections.abc import Sequence

from carteiro.models.interface import EmbeddingModel
from carteiro.schemas.embed import EmbedRequest, EmbedResult
from carteiro.tasks.task import Task, TaskOutput

_DECIMALS = 6
"""Decimals of a number in the reply. 256 vectors of the packaged model then fit the largest produce request."""


async def embed(request: EmbedRequest, model: EmbeddingModel) -> TaskOutput[EmbedResult]:
    """Return the texts' vectors. Raise `PromptTooLarge` for a text that is too long: it is not cut."""
    embedded = await model.embed(request.texts, input_type=request.input_type, dimensions=request.dimensions)
    # Off the event loop: 256 vectors are up to a million numbers.
    return TaskOutput(await asyncio.to_thread(_rounded, embedded.vectors), embedded.usage)


def _rounded(vectors: Sequence[Sequence[float]]) -> EmbedResult:
    rounded = [[round(number, _DECIMALS) for number in vector] for vector in vectors]
    return EmbedResult(vectors=rounded, dimensions=len(rounded[0]))


task = Task(request=EmbedRequest, run=embed, abilities=(EmbeddingModel,), default_model="local:minilm")

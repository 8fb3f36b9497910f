"""Splits documents for an embedding model, and embeds their chunks."""

import asyncio
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from carteiro.models.interface import EmbeddingModel, Model
from carteiro.models.results import Embeddings
from carteiro.retrieval.chunk import Chunk
from carteiro.retrieval.collection import EmbeddingSettings
from carteiro.retrieval.document import Document
from carteiro.retrieval.splitter import OVERLAP_SHARE, split_document
from carteiro.worker.batch_api.batch_first_model import BatchFirstEmbedder
from carteiro.worker.model_calls.budget import UsageMeter
from carteiro.worker.model_calls.deferred_request import Deferral
from carteiro.worker.model_calls.fallback import FallbackChain, FallbackRun

_CHUNKS_AT_ONCE = 128
"""Chunks whose vectors are in memory as Python's numbers, which take eight times the space."""
_TOKENS_AT_ONCE = 250_000
"""Tokens of one line of a batch. OpenAI takes 300,000 in a call, and counts them a little differently."""
_SAMPLE = "dimensions"


@dataclass(slots=True)
class ChunkEmbedder:
    """Embedder of chunks by the model of a chain, which has only one: vectors of different models do not compare.

    The model has to be loaded before the first call.
    """

    chain: FallbackChain
    chunk_tokens: int
    """Maximum tokens of a chunk, if the model takes as many."""
    dimensions: int | None = None
    """Length of the vectors; None for the model's own."""
    _settings: EmbeddingSettings | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def _model(self) -> Model:
        return self.chain.targets[0].model

    async def settings(self, meter: UsageMeter) -> EmbeddingSettings:
        """Return the settings of the vectors. The first call embeds a word, to know their length.

        Raise the errors of models.
        """
        async with self._lock:
            if self._settings is None:
                dimensions = self.dimensions or len((await self.embed([_SAMPLE], meter))[0])
                tokens = min(self.chunk_tokens, self._model.context_tokens or self.chunk_tokens)
                self._settings = EmbeddingSettings(self._model.name, dimensions, tokens, int(tokens * OVERLAP_SHARE))
            return self._settings

    async def split(self, document: Document, settings: EmbeddingSettings) -> list[Chunk]:
        """Return the chunks of a document. A thread splits it."""
        count = self._model.count_tokens
        return await asyncio.to_thread(split_document, document, count, settings.max_tokens, settings.overlap_tokens)

    async def embed(
        self, texts: Sequence[str], meter: UsageMeter, deferral: Deferral | None = None
    ) -> "list[array[float]]":
        """Return the vectors of texts, as numbers of 4 bytes. With `deferral` a batch of the provider embeds them.

        Raise the errors of models.
        """
        size = max(min(_CHUNKS_AT_ONCE, _TOKENS_AT_ONCE // self.chunk_tokens), 1)
        parts = [texts[start : start + size] for start in range(0, len(texts), size)]
        if deferral is None:
            found = [await self._embed(part, meter, None) for part in parts]
            return [vector for part in found for vector in part]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._embed(part, meter, deferral)) for part in parts]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [vector for task in tasks for vector in task.result()]

    async def _embed(self, texts: Sequence[str], meter: UsageMeter, deferral: Deferral | None) -> "list[array[float]]":
        async def work(model: Model) -> Embeddings:
            assert isinstance(model, EmbeddingModel)  # the chain was opened for one
            return await model.embed(texts, input_type="document", dimensions=self.dimensions)

        if deferral is None:
            run = FallbackRun(self.chain, meter)
        else:
            wrapper = partial(BatchFirstEmbedder, task="index", is_only_model=True)
            chain = FallbackChain([replace(self.chain.targets[0], batch_wrapper=wrapper)])
            run = FallbackRun(chain, meter, deadline=deferral.deadline, deferred=deferral.request)
        embedded = await run.run(work)
        if not run.is_metered:
            meter.record(run.model.name, embedded.usage)
        return [array("f", vector) for vector in embedded.vectors]

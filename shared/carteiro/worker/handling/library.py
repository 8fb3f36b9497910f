"""The collections of documents that a worker searches."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from carteiro.models.interface import RerankModel
from carteiro.retrieval.collection import EmbeddingSettings
from carteiro.retrieval.retriever import Search, find_passages
from carteiro.retrieval.store import DocumentStore
from carteiro.schemas.collection import Passage
from carteiro.worker.model_calls.budget import UsageMeter
from carteiro.worker.model_calls.question_models import QuestionModels


class Library:
    """A store of documents, and the models that searches need. The store is created and opened at the first search.

    `collections` are those that requests may name; None for all. Without `rerank_model`, nothing is reranked.
    """

    def __init__(
        self,
        create_store: Callable[[], DocumentStore],
        questions: QuestionModels,
        rerank_model: RerankModel | None = None,
        collections: frozenset[str] | None = None,
    ) -> None:
        self.rerank_model = rerank_model
        self._create_store, self._questions, self._collections = create_store, questions, collections
        self._store: DocumentStore | None = None
        self._is_open = False
        self._opening = asyncio.Lock()

    def serves(self, collection: str) -> bool:
        """Return True if requests may name the collection."""
        return self._collections is None or collection in self._collections

    async def load(self) -> None:
        """Load the rerank model. Raise `ModelUnusable`."""
        if self.rerank_model is not None:
            await self.rerank_model.load()

    async def find(self, search: Search, meter: UsageMeter) -> list[Passage]:
        """Return the passages of a search. `meter` counts the usage of the models.

        Raise as `find_passages` and the store's factory do.
        """
        return await find_passages(await self._opened_store(), partial(self._embed, meter=meter), search)

    async def close(self) -> None:
        """Close the store and the models that were loaded here."""
        if self._store is not None:
            await self._store.close()
        if self.rerank_model is not None:
            await self.rerank_model.close()
        await self._questions.close()

    async def _opened_store(self) -> DocumentStore:
        async with self._opening:
            if self._store is None:
                self._store = self._create_store()
            if not self._is_open:
                # A store that is away has connections too, which go on trying: it is not created again.
                await self._store.open()
                self._is_open = True
            return self._store

    async def _embed(self, embedding: EmbeddingSettings, text: str, *, meter: UsageMeter) -> Sequence[float]:
        return await self._questions.embed(embedding, text, meter)

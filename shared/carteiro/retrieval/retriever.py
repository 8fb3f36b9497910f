"""The retriever: from a question to the passages of a collection that may answer it."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from carteiro.models.interface import RerankModel
from carteiro.retrieval.chunk import ChunkHit
from carteiro.retrieval.collection import EmbeddingSettings, Generation
from carteiro.retrieval.errors import CollectionUnknown
from carteiro.retrieval.field_filter import FieldFilter
from carteiro.retrieval.fusion import fuse_hits
from carteiro.retrieval.passages import join_hits, with_pages
from carteiro.retrieval.store import DocumentStore
from carteiro.schemas.collection import Passage

SearchKind = Literal["vectors", "words"]
HYBRID: tuple[SearchKind, ...] = ("vectors", "words")

_CANDIDATES = 50
"""Hits of each kind that are fused, at least."""
_RANK_CONSTANT = 5
"""The first ranks count more than by the usual constant of 60: a document that is first in one of the searches is often
last in the other, if the question is a paraphrase, or in a language that the model does not know. It found 7 to 8
percent more documents on the tuned half of `tests/quality/corpus`, and on the held-out half.
"""
_RERANKED = 30
"""Passages that a rerank model scores, at least."""


class EmptyCollection(LookupError):
    """The collection has no documents, so no search can find one."""


class QuestionEmbedder(Protocol):
    """Embeds questions by the model of a collection."""

    def __call__(self, embedding: EmbeddingSettings, text: str) -> Awaitable[Sequence[float]]:
        """Return the vector of a question. Raise the errors of `carteiro.models.errors`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search for passages. `top_k` is their maximum number."""

    collection: str
    text: str
    earlier: str = ""
    """The question before, to which `text` may refer ("And how much is it?"); empty without one."""
    filters: FieldFilter | None = None
    top_k: int = 5
    rerank_model: RerankModel | None = None
    kinds: Sequence[SearchKind] = HYBRID

    @property
    def joined_text(self) -> str:
        """The text after the question before it."""
        return f"{self.earlier}\n{self.text}" if self.earlier else self.text


async def find_passages(store: DocumentStore, embed: QuestionEmbedder, search: Search) -> list[Passage]:
    """Return the passages that fit a search best, the best first; none if nothing fits the filter.

    Raise what the store, `embed` and the rerank model raise, and `EmptyCollection`.
    """
    generation = await _active_generation(store, search.collection)
    # A generation may be replaced and dropped between two calls of the store.
    try:
        hits = await _find_hits(store, embed, search, generation)
    except CollectionUnknown:
        hits = await _find_hits(store, embed, search, await _active_generation(store, search.collection))
    if not hits and (await store.counts(search.collection)).documents == 0:
        raise EmptyCollection
    if search.rerank_model is None:
        passages = join_hits(hits, search.top_k)
    else:
        passages = join_hits(hits, max(_RERANKED, search.top_k))
        passages = (await rerank(search.rerank_model, search.joined_text, passages))[: search.top_k]
    return [await _with_pages(store, search.collection, each) for each in passages]


async def rerank(model: RerankModel, question: str, passages: Sequence[Passage]) -> list[Passage]:
    """Return the passages in the order of a model's scores, best first. Raise what the model raises."""
    if not passages:
        return []
    scored = await model.score(question, [_headed(each) for each in passages])
    order = sorted(range(len(passages)), key=lambda at: -scored.scores[at])
    return [passages[at] for at in order]


async def _active_generation(store: DocumentStore, name: str) -> Generation:
    collection = await store.collection(name)
    if collection.active is None:
        raise CollectionUnknown(name)
    return collection.active


async def _find_hits(
    store: DocumentStore, embed: QuestionEmbedder, search: Search, generation: Generation
) -> list[ChunkHit]:
    limit = max(_CANDIDATES, 2 * search.top_k)
    rankings: list[list[ChunkHit]] = []
    # By itself, a question of another subject; with the one before, a question that refers to it. On the follow-ups of
    # `tests/quality/corpus`, both found more than the last message, and lost less for a new subject than both joined.
    for text in dict.fromkeys([search.text, search.joined_text]):
        if "vectors" in search.kinds:
            vector = await embed(generation.embedding, text)
            rankings.append(await store.search_vectors(generation, vector, search.filters, limit))
        if "words" in search.kinds:
            rankings.append(await store.search_words(generation, text, search.filters, limit))
    return fuse_hits(rankings, 2 * limit, _RANK_CONSTANT)


async def _with_pages(store: DocumentStore, collection: str, passage: Passage) -> Passage:
    if not passage.pages:
        return passage
    stored = await store.document(collection, passage.key)
    return with_pages(passage, stored.document) if stored else passage


def _headed(passage: Passage) -> str:
    return f"{passage.titles}\n{passage.text}".lstrip()

"""The searches that are compared: each returns the keys of the documents in the best passages, by question."""

from collections.abc import Mapping, Sequence

from carteiro.models.interface import EmbeddingModel, RerankModel
from carteiro.retrieval.collection import EmbeddingSettings
from carteiro.retrieval.retriever import HYBRID, Search, SearchKind, find_passages
from carteiro.retrieval.store import DocumentStore
from carteiro.schemas.collection import Passage
from tests.quality.corpus import Question
from tests.quality.corpus.indexed import COLLECTION

KINDS: Mapping[str, Sequence[SearchKind]] = {
    "words (BM25)": ("words",),
    "vectors": ("vectors",),
    "hybrid": HYBRID,
}


class QuestionVectors:
    """Vectors of all questions, which are computed once."""

    def __init__(self, vectors: Mapping[str, Sequence[float]]) -> None:
        self._vectors = vectors

    @classmethod
    async def of(cls, questions: Sequence[Question], model: EmbeddingModel) -> "QuestionVectors":
        texts = [each.question for each in questions]
        return cls(dict(zip(texts, (await model.embed(texts, input_type="query")).vectors, strict=True)))

    async def __call__(self, embedding: EmbeddingSettings, text: str) -> Sequence[float]:  # noqa: ARG002
        return self._vectors[text]


async def search(
    store: DocumentStore,
    vectors: QuestionVectors,
    questions: Sequence[Question],
    kinds: Sequence[SearchKind] = HYBRID,
    rerank_model: RerankModel | None = None,
) -> dict[str, list[Passage]]:
    """Return the five best passages of each question, by its id."""
    found: dict[str, list[Passage]] = {}
    for each in questions:
        asked = Search(
            collection=COLLECTION,
            text=each.question,
            filters=dict(each.filter),
            top_k=5,
            kinds=kinds,
            rerank_model=rerank_model,
        )
        found[each.id] = await find_passages(store, vectors, asked)
    return found


def keys(found: Mapping[str, Sequence[Passage]]) -> dict[str, list[str]]:
    """Return the keys of the passages' documents."""
    return {question: [each.key for each in passages] for question, passages in found.items()}

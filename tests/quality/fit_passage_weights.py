"""Fit the weights for passages in `carteiro.text.answers`: python -m tests.quality.fit_passage_weights

The questions are the tuned ones of the corpus, with the passages of the hybrid search, and all of them again without
the sentences that answer. It prints the weights, and for some limits the results for each fifth of the documents when
the weights are fitted to the others.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

from benchmarks.retrieval.searches import QuestionVectors, search
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from carteiro.schemas.collection import Passage
from carteiro.text.answers import answer_features, probability
from carteiro.text.questions import parse_question
from services.answer.candidates import PassageParts, find_candidates
from tests.quality import corpus
from tests.quality.corpus.indexed import index_corpus
from tests.quality.fit_weights import TrainingExample, fit

_FOLDS = 5
_LIMITS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4)


async def training_example(
    model: Any, question: corpus.Question, passages: Sequence[Passage], texts: dict[str, str]
) -> TrainingExample:
    """Return the features of the sentences that may answer, and True for those that overlap the quotation."""
    parsed, parts = parse_question(question.question), PassageParts.of(passages, are_ranked=True)
    found = await find_candidates(model, parsed, parts)
    features, labels = [], []
    for each in found.candidates:
        if not (own := answer_features(parsed, each, found.text_words, found.similarity)):
            continue
        place = parts.place(each.part.start, each.part.end)
        passage = passages[place.passage]
        at = texts[passage.key].find(question.quote) if question.quote and passage.key == question.document else -1
        start, end = passage.start + place.start, passage.start + place.end
        features.append(own)
        labels.append(at >= 0 and start < at + len(question.quote or "") and at < end)
    return TrainingExample(question.document or question.id, question.answer is not None, features, labels)


def without_answer(row: TrainingExample) -> TrainingExample:
    """Return the same question without the sentences that answer it."""
    kept = [dict(found) for found, label in zip(row.features, row.labels, strict=True) if not label]
    for at, each in enumerate(kept):
        others = [other["similarity"] for number, other in enumerate(kept) if number != at]
        each["margin"] = each["similarity"] - max(others, default=0.0)
    return replace(row, answerable=False, features=kept, labels=[False] * len(kept))


def judge(rows: Sequence[tuple[TrainingExample, dict[str, float]]], limit: float) -> str:
    """Return the shares of answers, of right answers, and of refusals."""
    answered = right = refused = 0
    for each, weights in rows:
        rated = [(probability(found, weights), label) for found, label in zip(each.features, each.labels, strict=True)]
        best, label = max(rated, default=(0.0, False))
        answered += each.answerable and best >= limit
        right += best >= limit and label
        refused += not each.answerable and best < limit
    known = sum(each.answerable for each, _ in rows)
    return f"of {known}: answered {answered}, right {right}; of {len(rows) - known}: refused {refused}"


async def main() -> None:
    model: Any = open_model("local:minilm", ModelSettings())
    await model.load()
    documents = corpus.read_documents()
    asked = [each for each in corpus.read_questions() if each.part == "tuned"]
    with tempfile.TemporaryDirectory() as folder:
        store = await index_corpus(Path(folder), model, documents)
        found = await search(store, await QuestionVectors.of(asked, model), asked)
        await store.close()
    texts = {each.key: each.text for each in documents}
    rows = [await training_example(model, each, found[each.id], texts) for each in asked]
    await model.close()
    rows += [without_answer(each) for each in rows if any(each.labels)]
    folds = [[each for each in rows if crc32(each.name.encode()) % _FOLDS == number] for number in range(_FOLDS)]
    tested = []
    for fold in folds:
        weights = fit([each for other in folds if other is not fold for each in other])
        tested += [(each, weights) for each in fold]
    for limit in _LIMITS:
        print(limit, judge(tested, limit))
    print(fit(rows))


if __name__ == "__main__":
    asyncio.run(main())

"""Searches and answers on the corpus, by the packaged models: recall, checked sources, and honest refusals.

Limits were chosen on the tuned questions; the floors are for the held-out ones.
"""

from collections.abc import Sequence

import pytest

from benchmarks.retrieval.searches import KINDS, QuestionVectors, keys, search
from carteiro.retrieval.collection import EmbeddingSettings
from carteiro.retrieval.retriever import Search, find_passages
from carteiro.schemas.answer import AnswerRequest
from services.answer.task import answer
from tests.quality import corpus
from tests.quality.corpus import Question, scores
from tests.quality.corpus.indexed import COLLECTION, index_corpus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.parametrize(
    ("every", "recall", "better_by", "cited", "refused"),
    [
        pytest.param(30, 0.85, -0.2, 0.2, 0.5, id="some"),
        pytest.param(1, 0.8, 0.05, 0.25, 0.6, id="all", marks=pytest.mark.long),
    ],
)
async def test_hybrid_search_finds_more_and_answers_are_honest(
    models, tmp_path, every, recall, better_by, cited, refused
):
    """`every` is the step from one document to the next, of those that are indexed."""
    model = models["embed"]
    documents = corpus.read_documents()[::every]
    known = {each.key: each for each in documents}
    asked = [each for each in corpus.read_questions() if each.part == "held_out"]
    asked = [each for each in asked if each.document in known] + [each for each in asked if not each.document][::every]
    store = await index_corpus(tmp_path, model, documents)
    vectors = await QuestionVectors.of(asked, model)
    found = {name: await search(store, vectors, asked, kinds) for name, kinds in KINDS.items()}
    await store.close()
    shares = {}
    for name, each in found.items():
        right, of = scores.recall(asked, keys(each))
        shares[name] = right / of
    results = {}
    for each in asked:
        request = AnswerRequest(question=each.question, collection=COLLECTION)
        results[each.id] = (await answer(request.with_passages(tuple(found["hybrid"][each.id])), model)).result
    reached = scores.score_answers(asked, results, known)
    print(shares, reached)
    assert shares["hybrid"] >= recall
    assert shares["hybrid"] >= better_by + max(share for name, share in shares.items() if name != "hybrid")
    assert reached.cited >= cited * reached.answerable
    assert reached.refused >= refused * reached.unanswerable


async def test_follow_up_is_found_by_the_question_before(models, tmp_path):
    model = models["embed"]
    follow_ups = [each for each in corpus.read_follow_ups() if each.question.part == "held_out"]
    wanted = {each.question.document for each in follow_ups}
    documents = corpus.read_documents()
    store = await index_corpus(tmp_path, model, [d for n, d in enumerate(documents) if d.key in wanted or n % 8 == 0])

    async def embed(_: EmbeddingSettings, text: str) -> Sequence[float]:
        return (await model.embed([text], input_type="query")).vectors[0]

    async def find_share(rows: Sequence[tuple[str, str, Question]]) -> float:
        found = 0
        for text, earlier, question in rows:
            asked = Search(collection=COLLECTION, text=text, earlier=earlier, filters=dict(question.filter))
            found += question.document in [each.key for each in await find_passages(store, embed, asked)]
        return found / len(rows)

    # Another subject: each question by itself, after one on another document.
    others = [*follow_ups[1:], follow_ups[0]]
    shares = {
        "last message": await find_share([(each.text, "", each.question) for each in follow_ups]),
        "with the question before": await find_share(
            [(each.text, each.earlier.question, each.question) for each in follow_ups]
        ),
        "another subject": await find_share([(each.question.question, "", each.question) for each in follow_ups]),
        "another subject, with the question before": await find_share(
            [
                (each.question.question, other.question.question, each.question)
                for each, other in zip(follow_ups, others, strict=True)
            ]
        ),
    }
    await store.close()
    print(shares)
    assert shares["with the question before"] >= 0.8
    assert shares["with the question before"] >= 0.15 + shares["last message"]
    assert shares["another subject, with the question before"] >= shares["another subject"] - 0.1

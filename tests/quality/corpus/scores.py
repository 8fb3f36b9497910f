"""Scores of searches and of answers on the corpus."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from carteiro.schemas.answer import AnswerResult
from tests.quality.corpus import Document, Question

KINDS: Mapping[str, Callable[[Question], bool]] = {
    "English": lambda each: each.id.startswith(("en-", "none-en")),
    "Portuguese": lambda each: each.id.startswith(("pt-", "none-pt")),
    "the other language's documents": lambda each: each.id.startswith("x-"),
}
"""Questions by the language of the question and of the document."""


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """Numbers of questions, of answers, and of right ones."""

    answerable: int = 0
    answered: int = 0
    """Answerable questions that got an answer."""
    cited: int = 0
    """Answers with a source that overlaps the words that answer the question."""
    exact: int = 0
    """Answers that contain the expected answer, word for word."""
    unanswerable: int = 0
    refused: int = 0
    """Unanswerable questions that got no answer."""


def recall(questions: Iterable[Question], found: Mapping[str, Sequence[str]]) -> tuple[int, int]:
    """Return the number of answerable questions whose document is among the keys that were found, and of all."""
    asked = [each for each in questions if each.answer is not None]
    return sum(each.document in found[each.id] for each in asked), len(asked)


def score_answers(
    questions: Iterable[Question], results: Mapping[str, AnswerResult], documents: Mapping[str, Document]
) -> AnswerScores:
    """Return the scores of results by the questions' ids. Raise `AssertionError` for a quotation that is not there."""
    answerable = answered = cited = exact = unanswerable = refused = 0
    for question in questions:
        result = results[question.id]
        for source in result.sources:
            assert documents[source.key].text[source.start : source.end] == source.quote
        if question.answer is None:
            unanswerable, refused = unanswerable + 1, refused + (not result.found)
            continue
        answerable, answered = answerable + 1, answered + result.found
        cited += _is_cited(question, result, documents)
        exact += result.found and _plain(question.answer) in _plain(result.answer or "")
    return AnswerScores(answerable, answered, cited, exact, unanswerable, refused)


def _is_cited(question: Question, result: AnswerResult, documents: Mapping[str, Document]) -> bool:
    assert question.document is not None
    assert question.quote is not None
    start = documents[question.document].text.index(question.quote)
    end = start + len(question.quote)
    return any(each.key == question.document and each.start < end and start < each.end for each in result.sources)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())

"""The texts that a question is answered from, and the result with the places of the answer in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from carteiro.schemas.answer import AnswerRequest, AnswerResult, Span
from carteiro.schemas.collection import Passage

NOT_FOUND = AnswerResult(found=False)


@dataclass(frozen=True, slots=True)
class Place:
    """The characters from `start` to `end` in the text of a passage, which is counted from 0."""

    passage: int
    start: int
    end: int


def passages_to_read(request: AnswerRequest) -> tuple[Passage, ...]:
    """Return the passages that were found for a question, or its context as the only one."""
    if request.context is not None:
        return (Passage(key="", text=request.context),)
    return request.passages


def answer_at(request: AnswerRequest, answer: str, places: Sequence[Place]) -> AnswerResult:
    """Return the result with an answer that stands, or rests, at these places of `passages_to_read`.

    An answer from a collection without any place is no answer.
    """
    if request.context is not None:
        spans = [
            Span(start=each.start, end=each.end, text=request.context[each.start : each.end]) for each in places[:1]
        ]
        return AnswerResult(found=True, answer=answer, span=next(iter(spans), None))
    sources = [request.passages[each.passage].source(each.passage + 1, each.start, each.end) for each in places]
    return AnswerResult(found=True, answer=answer, sources=sources) if sources else NOT_FOUND

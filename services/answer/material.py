"""The texts that a question is answered from, and the result with the spans of the answer in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from carteiro.schemas.answer import AnswerRequest, AnswerResult, Span
from carteiro.schemas.collection import Passage

NOT_FOUND = AnswerResult(found=False)


@dataclass(frozen=True, slots=True)
class PassageSpan:
    """The characters from `start` to `end` in the text of a passage, which is counted from 0."""

    passage: int
    start: int
    end: int


def passages_to_read(request: AnswerRequest) -> tuple[Passage, ...]:
    """Return the passages that were found for a question, or its context as the only one."""
    if request.context is not None:
        return (Passage(key="", text=request.context),)
    return request.passages


def answer_at(request: AnswerRequest, answer: str, spans: Sequence[PassageSpan]) -> AnswerResult:
    """Return the result with an answer that stands, or rests, at these spans of `passages_to_read`.

    An answer from a collection without a span is no answer.
    """
    if request.context is not None:
        first = next(iter(spans), None)
        span = first and Span(start=first.start, end=first.end, text=request.context[first.start : first.end])
        return AnswerResult(found=True, answer=answer, span=span)
    sources = [request.passages[each.passage].source(each.passage + 1, each.start, each.end) for each in spans]
    return AnswerResult(found=True, answer=answer, sources=sources) if sources else NOT_FOUND

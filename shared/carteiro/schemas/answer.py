"""answer: a question, answered from a given text alone."""

from typing import ClassVar

from carteiro.schemas.reply import ReplySchema
from carteiro.schemas.request import Request, Text, examples


class Span(ReplySchema):
    """A stretch of the request's context."""

    start: int
    """Its first character (Unicode code points, from 0)."""
    end: int
    """The character after its last."""
    text: str


class AnswerResult(ReplySchema):
    """The answer, or that the context does not hold it."""

    model_config = examples(
        {"found": True, "answer": "in 1867", "span": {"start": 48, "end": 55, "text": "in 1867"}},
        {"found": False, "answer": None, "span": None},
    )

    found: bool
    """False: the context does not answer the question; `answer` and `span` then are null."""
    answer: str | None = None
    span: Span | None = None
    """The stretch of the context that the answer comes from, where it can be told."""


class AnswerRequest(Request[AnswerResult]):
    """Answer a question from the context, and from nothing else."""

    model_config = examples(
        {
            "question": "When was the bridge opened?",
            "context": "The bridge was built by two brothers and opened in 1867.",
        },
    )
    task: ClassVar = "answer"
    result: ClassVar = AnswerResult

    question: Text
    context: Text

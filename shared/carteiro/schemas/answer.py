"""answer: a question, answered only from a given text."""

from typing import Annotated, ClassVar

from carteiro.schemas.reply import ReplySchema, Result
from carteiro.schemas.request import CommandOption, Request, Text, examples
from carteiro.schemas.text_reference import LargeText


class Span(ReplySchema):
    """A span of the request's context."""

    start: int
    """Index of its first character (Unicode code points, from 0)."""
    end: int
    """Index of the character after its last."""
    text: str


class AnswerResult(Result):
    """The answer, or the statement that the context does not contain it."""

    model_config = examples(
        {"found": True, "answer": "in 1867", "span": {"start": 48, "end": 55, "text": "in 1867"}},
        {"found": False, "answer": None, "span": None},
    )

    found: bool
    """False if the context does not answer the question; `answer` and `span` are then null."""
    answer: str | None = None
    span: Span | None = None
    """The span of the context that the answer comes from, if it is known."""

    def render(self) -> str:
        return self.answer or "" if self.found else "(the text does not say)"


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
    text_field: ClassVar = "context"

    question: Annotated[Text, CommandOption("question", short="q")]
    """The question."""
    context: LargeText

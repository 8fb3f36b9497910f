"""answer: a question, answered only from a given text or a collection of documents."""

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Self

from pydantic import model_validator

from carteiro.schemas.attachment import MAX_ATTACHMENTS, Attachment
from carteiro.schemas.collection import CollectionRequest, Source, search_options_problem
from carteiro.schemas.list_field import empty_list
from carteiro.schemas.reply import ReplySchema, Result
from carteiro.schemas.request import CommandOption, Text, examples
from carteiro.schemas.text_reference import OptionalLargeText


class Span(ReplySchema):
    """A span of the request's context."""

    start: int
    """Index of its first character (Unicode code points, from 0)."""
    end: int
    """Index of the character after its last."""
    text: str


class AnswerResult(Result):
    """The answer, or the statement that the context or the collection does not contain it."""

    model_config = examples(
        {"found": True, "answer": "in 1867", "span": {"start": 48, "end": 55, "text": "in 1867"}, "sources": []},
        {"found": False, "answer": None, "span": None, "sources": []},
        {
            "found": True,
            "answer": "30 days",
            "span": None,
            "sources": [
                {
                    "key": "handbook/returns",
                    "title": "Returns",
                    "uri": "https://example.com/handbook/returns",
                    "page": 3,
                    "start": 2051,
                    "end": 2096,
                    "quote": "Goods can be returned within 30 days of receipt",
                    "number": 1,
                }
            ],
        },
    )

    found: bool
    """False if the context or the collection does not answer the question; `answer` and `span` are then null."""
    answer: str | None = None
    span: Span | None = None
    """The span of the context that the answer comes from, if it is known."""
    sources: list[Source] = empty_list()
    """The quotations that the answer comes from, for a request with a collection. An answer without any is not sent."""

    def render(self) -> str:
        if not self.found:
            return "(the text does not say)"
        return "\n".join([self.answer or "", *(each.render() for each in self.sources)])


class AnswerRequest(CollectionRequest[AnswerResult]):
    """Answer a question from the context or from a collection of documents, and from nothing else."""

    model_config = examples(
        {
            "question": "When was the bridge opened?",
            "context": "The bridge was built by two brothers and opened in 1867.",
        },
        {"question": "When is the invoice due?", "attachments": [{"uri": "s3://letters/invoice.pdf"}]},
        {"question": "How long can goods be returned?", "collection": "handbook", "filter": {"tenant": "north"}},
    )
    task: ClassVar = "answer"
    result: ClassVar = AnswerResult
    text_field: ClassVar = "context"

    question: Annotated[Text, CommandOption("question", short="q")]
    """The question."""
    context: OptionalLargeText = None
    """The text that has the answer, if no collection is named."""
    attachments: Annotated[list[Attachment], CommandOption("attach")] = empty_list(max_length=MAX_ATTACHMENTS)
    """Images, files and sounds that have the answer, next to a context or without one."""

    @model_validator(mode="after")
    def _has_a_context_or_a_collection(self) -> Self:
        if (self.context is None and not self.attachments) == (self.collection is None):
            raise ValueError("needs either context or attachments, or collection")
        if problem := search_options_problem(self):
            raise ValueError(problem)
        return self

    @classmethod
    def from_text(cls, text: str, given: Collection[str] = ()) -> dict[str, Any]:
        """Return the context; next to a collection, the question."""
        return {"question" if "collection" in given and "question" not in given else "context": text}

    @property
    def search_text(self) -> str:
        return self.question

"""Requests that may read the passages of a collection of documents, and the sources in their results."""

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, StringConstraints

from carteiro.schemas.reply import ReplySchema
from carteiro.schemas.request import COLLECTION_PATTERN, CommandOption, Request, ResultT, one_error

DEFAULT_TOP_K, MAX_TOP_K = 5, 50
MAX_FILTER_FIELDS, MAX_FILTER_VALUES = 16, 32
_MAX_VALUE_CHARACTERS = 1024

FilterName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
FilterValue = Annotated[str, StringConstraints(max_length=_MAX_VALUE_CHARACTERS)] | bool | int | float
FilterValues = Annotated[
    FilterValue | Annotated[list[FilterValue], Field(max_length=MAX_FILTER_VALUES)],
    one_error(
        f"must be a text of up to {_MAX_VALUE_CHARACTERS} characters, a number, true or false, or a list of up to "
        f"{MAX_FILTER_VALUES} of them"
    ),
]


class Source(ReplySchema):
    """A quotation that stands word for word in a document, and its place there."""

    key: str
    """The document's key."""
    title: str = ""
    uri: str = ""
    page: int | None = None
    """The page of the quotation's first character, from 1; null if the document has no pages."""
    start: int
    """Index of the quotation's first character in the document's text (Unicode code points, from 0)."""
    end: int
    """Index of the character after its last."""
    quote: str
    """The characters of the document from `start` to `end`."""
    number: int
    """Number of the passage that the model read, from 1. The text of `chat` names it, as `[2]`."""

    def render(self) -> str:
        """Return the source as a line for a person."""
        name = self.title or self.key
        page = f", page {self.page}" if self.page else ""
        uri = f" {self.uri}" if self.uri not in ("", name) else ""
        return f'[{self.number}] {name}{page}: "{" ".join(self.quote.split())}"{uri}'


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document that was found for a request: `text` stands in the document's text from `start` on.

    `heading` is the path of the headings above it. `pages` are the numbers of the pages in it, each with the index in
    `text` at which it begins.
    """

    key: str
    text: str
    start: int = 0
    title: str = ""
    uri: str = ""
    heading: str = ""
    pages: tuple[tuple[int, int], ...] = ()

    @property
    def titles(self) -> str:
        """The document's title and the headings above the passage, such as `Contract > Term`."""
        if self.heading.startswith(self.title):
            return self.heading or self.title
        return " > ".join(filter(None, (self.title, self.heading)))

    def source(self, number: int, start: int, end: int) -> Source:
        """Return the characters from `start` to `end` of `text` as a source. `number` is that of the passage."""
        page = next((page for page, begin in reversed(self.pages) if begin <= start), None)
        return Source(
            key=self.key,
            title=self.title,
            uri=self.uri,
            page=page,
            start=self.start + start,
            end=self.start + end,
            quote=self.text[start:end],
            number=number,
        )


class CollectionRequest(Request[ResultT]):
    """Base of requests that may name a collection, whose best passages the worker adds."""

    collection: Annotated[str, StringConstraints(pattern=COLLECTION_PATTERN)] | None = None
    """Collection of documents that is searched. The filter protects no document: a sender may read all documents of the
    collections that the service serves."""
    filter: Annotated[dict[FilterName, FilterValues] | None, CommandOption("filter", pairs=True)] = Field(
        default=None, max_length=MAX_FILTER_FIELDS, examples=[{"tenant": "north", "year": [2023, 2024]}]
    )
    """Value, or several of which any fits, for fields of the documents."""
    top_k: int | None = Field(default=None, ge=1, le=MAX_TOP_K)
    """Maximum number of passages that the model reads; 5 by default."""
    rerank: bool = False
    """True if the passages are ordered by the service's rerank model."""
    _passages: tuple[Passage, ...] = PrivateAttr(default=())

    @property
    def passages(self) -> tuple[Passage, ...]:
        """The passages that were found for the request, the best first. They are not sent with it."""
        return self._passages

    @property
    def search_text(self) -> str:
        """The text that is searched for in the collection."""
        raise NotImplementedError

    @property
    def earlier_search_text(self) -> str:
        """The question before `search_text`, which may refer to it; empty without one."""
        return ""

    def with_passages(self, passages: tuple[Passage, ...]) -> Self:
        """Return the request with the passages that were found for it."""
        found = self.model_copy()
        found._passages = passages  # noqa: SLF001  # a copy of this object
        return found


def search_options_problem(request: CollectionRequest[Any]) -> str | None:
    """Return the reason why options of a search stand in a request without a collection; else None."""
    if request.collection is None:
        for name in ("filter", "top_k", "rerank"):
            if getattr(request, name):
                return f"{name} needs a collection"
    return None

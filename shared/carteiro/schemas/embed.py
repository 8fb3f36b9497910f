"""embed: texts as vectors, near each other for texts of similar meaning."""

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from carteiro.schemas.reply import Result
from carteiro.schemas.request import CommandOption, Request, Text, examples

MAX_TEXTS = 256
"""Maximum number of texts of a request."""
_MAX_DIMENSIONS = 65_536
_SHOWN_NUMBERS = 6


class EmbedResult(Result):
    """The vectors."""

    model_config = examples({"vectors": [[0.6, -0.8], [0.28, 0.96]], "dimensions": 2})

    vectors: list[list[float]]
    """One vector for each text, in the order of the texts. Its length is 1, so the dot product of two vectors is their
    cosine similarity, from -1 to 1."""
    dimensions: int
    """Size of each vector."""

    def render(self) -> str:
        return "\n".join(f"{_beginning(vector)}  ({self.dimensions:,} dimensions)" for vector in self.vectors)


def _beginning(vector: list[float]) -> str:
    shown = " ".join(f"{number:.4f}" for number in vector[:_SHOWN_NUMBERS])
    return f"{shown} ..." if len(vector) > _SHOWN_NUMBERS else shown


class EmbedRequest(Request[EmbedResult]):
    """Turn texts into vectors. Texts of similar meaning have vectors near each other. A text is never cut."""

    model_config = examples(
        {"texts": ["The ferry leaves at nine."], "input_type": "document"},
        {"texts": ["When does the boat go?", "Where is the pier?"], "input_type": "query"},
    )
    task: ClassVar = "embed"
    result: ClassVar = EmbedResult
    text_field: ClassVar = "texts"

    texts: list[Text] = Field(min_length=1, max_length=MAX_TEXTS)
    """Texts to embed, up to 256, each as long as the model can read."""
    input_type: Literal["query", "document"] | None = None
    """Use of the texts, for models that have other vectors for a search than for what is searched."""
    dimensions: Annotated[int | None, CommandOption("dimensions")] = Field(default=None, ge=1, le=_MAX_DIMENSIONS)
    """Size of the vectors, if the model has several; by default its own."""

    @classmethod
    def from_text(cls, text: str, given: Collection[str] = ()) -> dict[str, Any]:  # noqa: ARG003
        return {cls.text_field: [text]}

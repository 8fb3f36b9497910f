"""summarize: a text, of any length, in a few words."""

from typing import ClassVar, Literal

from carteiro.schemas.reply import ReplySchema
from carteiro.schemas.request import Request, Text, examples


class SummarizeResult(ReplySchema):
    """The summary."""

    model_config = examples(
        {"summary": "The city opens a night market by the river.", "bullets": None, "parts": 1},
    )

    summary: str
    """The summary as one text; with bullets, one a line."""
    bullets: list[str] | None = None
    """The points, where the request asked for bullets."""
    parts: int
    """How many parts the text was read in: more than 1 where it is longer than the model can read at once."""


class SummarizeRequest(Request[SummarizeResult]):
    """Summarize a text. A text longer than the model's context is read in parts, none of it skipped."""

    model_config = examples(
        {"text": "The council voted on Tuesday to open a night market by the river from May to September."},
        {"text": "Minutes of the meeting of 3 March ...", "style": "bullets", "length": "short"},
    )
    task: ClassVar = "summarize"
    result: ClassVar = SummarizeResult

    text: Text
    style: Literal["paragraph", "bullets"] = "paragraph"
    length: Literal["short", "medium", "long"] = "medium"

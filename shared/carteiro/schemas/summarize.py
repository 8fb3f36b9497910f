"""summarize: a short version of a text of any length."""

from typing import ClassVar, Literal

from carteiro.schemas.reply import Result
from carteiro.schemas.request import Request, examples
from carteiro.schemas.text_reference import LargeText


class SummarizeResult(Result):
    """The summary."""

    model_config = examples(
        {"summary": "The city opens a night market by the river.", "bullets": None, "parts": 1},
    )

    summary: str
    """The summary as one text; with bullets, a line for each."""
    bullets: list[str] | None = None
    """The bullet points, if the request asked for bullets."""
    parts: int
    """Number of parts in which the text was read: more than 1 if it is longer than the model can read at once."""

    def render(self) -> str:
        return self.summary


class SummarizeRequest(Request[SummarizeResult]):
    """Summarize a text. A text longer than the model's context is read in parts, and no part is skipped."""

    model_config = examples(
        {"text": "The council voted on Tuesday to open a night market by the river from May to September."},
        {"text": "Minutes of the meeting of 3 March ...", "style": "bullets", "length": "short"},
    )
    task: ClassVar = "summarize"
    result: ClassVar = SummarizeResult
    writes: ClassVar = True

    text: LargeText
    style: Literal["paragraph", "bullets"] = "paragraph"
    length: Literal["short", "medium", "long"] = "medium"

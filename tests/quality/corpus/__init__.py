"""A corpus for retrieval: documents of an invented town, and questions with the place of their answer.

`README.md` describes the fields of the files.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """A text of the corpus. `fields` can be filtered by: department, year and tenant."""

    key: str
    language: str
    title: str
    uri: str
    fields: Mapping[str, str | int]
    text: str

    def matches(self, wanted: Mapping[str, str | int]) -> bool:
        """Return True if each wanted field has the wanted value."""
        return all(self.fields.get(name) == value for name, value in wanted.items())


@dataclass(frozen=True, slots=True)
class Question:
    """A question in `language`. If `answer` is None, no document that matches `filter` answers it.

    `quote` stands word for word in the text of `document`, and the answer in the quote. Limits are chosen on the
    questions whose `part` is `tuned`, and results are reported on those that are `held_out`.
    """

    id: str
    language: str
    question: str
    answer: str | None
    part: str
    document: str | None = None
    quote: str | None = None
    filter: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The text in which a user asks `question` after the question `earlier`, which is on the same document."""

    text: str
    question: Question
    earlier: Question


def read_documents() -> list[Document]:
    """Return the documents in the order of the file."""
    return [Document(**row) for row in _rows("documents")]


def read_questions() -> list[Question]:
    """Return the questions in the order of the file."""
    return [Question(**row) for row in _rows("questions")]


def read_follow_ups() -> list[FollowUp]:
    """Return the questions after another one in the order of the file."""
    known = {each.id: each for each in read_questions()}
    return [FollowUp(row["text"], known[row["for"]], known[row["after"]]) for row in _rows("follow_ups")]


def _rows(name: str) -> list[dict[str, Any]]:
    lines = Path(__file__).with_name(f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]

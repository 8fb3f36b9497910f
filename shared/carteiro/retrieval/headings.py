"""Headings of a document, and the path of those above a place in it."""

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from carteiro.text.structure import PartKind, StructuredPart, split_parts

_MAX_TITLE_CHARACTERS = 100
_MARKER = re.compile(r"(#{1,6})[ \t]+$")
_UNDERLINE = re.compile(r"[ \t]*\n[ \t]*(={3,}|-{3,})[ \t]*(?:\n|$)")
_BLANK_BEFORE = re.compile(r"(?:^|\n[ \t]*\n)[ \t]*$")
_BLANK_AFTER = re.compile(r"[ \t]*\n[ \t]*\n")
_LOWEST_LEVEL = 7
"""Level of a heading without a mark: a short line by itself, with blank lines around it."""
_CONTEXT_CHARACTERS = 80
_BEGINNING_CHARACTERS = 2000
"""Characters at the beginning of a text, which may hold its title."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a level from 1, the highest, and the index in the text at which it begins."""

    start: int
    level: int
    title: str


def first_heading(text: str) -> str:
    """Return the first heading that is marked as in Markdown at the beginning of a text, or an empty text."""
    beginning = text[:_BEGINNING_CHARACTERS]
    for part in split_parts(beginning):
        if part.kind is PartKind.HEADING and (heading := _heading(beginning, part)) and heading.level < _LOWEST_LEVEL:
            return heading.title
    return ""


class HeadingPaths:
    """The headings that are above each place in a text."""

    def __init__(self, text: str, parts: Iterable[StructuredPart]) -> None:
        """Read the headings of a text from its parts."""
        self.starts: list[int] = []
        """Index of the marker or the first character of each heading, in order."""
        self._paths: list[tuple[str, ...]] = []
        open_headings: list[Heading] = []
        for part in parts:
            if part.kind is PartKind.HEADING and (heading := _heading(text, part)):
                while open_headings and open_headings[-1].level >= heading.level:
                    open_headings.pop()
                open_headings.append(heading)
                self.starts.append(heading.start)
                self._paths.append(tuple(each.title for each in open_headings))

    @property
    def first(self) -> str:
        """The first heading, or an empty text."""
        return self._paths[0][-1] if self._paths else ""

    def above(self, start: int) -> tuple[str, ...]:
        """Return the titles of the headings above the text at `start`, the highest first.

        A heading that begins there has only those of higher levels above it.
        """
        number = bisect_left(self.starts, start)
        if number < len(self.starts) and self.starts[number] == start:
            return self._paths[number][:-1]
        return self._paths[number - 1] if number else ()


def _heading(text: str, part: StructuredPart) -> Heading | None:
    before = text[max(part.start - _CONTEXT_CHARACTERS, 0) : part.start]
    after = text[part.end : part.end + _CONTEXT_CHARACTERS]
    title = part.text.strip("#* ")[:_MAX_TITLE_CHARACTERS]
    if not title:
        return None
    if marker := _MARKER.search(before):
        return Heading(part.start - len(marker[0]), len(marker[1]), title)
    if underline := _UNDERLINE.match(after):
        return Heading(part.start, 1 if underline[1].startswith("=") else 2, title)
    if _BLANK_BEFORE.search(before) and _BLANK_AFTER.match(after) and title[-1] not in ",;:.!?":
        return Heading(part.start, _LOWEST_LEVEL, title)
    return None

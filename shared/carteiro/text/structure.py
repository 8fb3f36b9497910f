"""The parts of a plain text or of Markdown: sentences, headings, list items, table rows, fields, quotes and code.

Hard-wrapped lines are joined, so a sentence may span several lines. The rules are heuristics, not a parser.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from carteiro.text.sentences import is_complete, split_sentences


class PartKind(Enum):
    """Kind of a part of a text."""

    PROSE = auto()
    HEADING = auto()
    """A heading, a greeting or a signature: a short line that is not a sentence."""
    ITEM = auto()
    """An item of a list."""
    FIELD = auto()
    """A name and a value, such as `Status: open`."""
    ROW = auto()
    """A row of a table."""
    QUOTE = auto()
    """A quoted line of an e-mail: it begins with `>`."""
    CODE = auto()


@dataclass(frozen=True, slots=True)
class StructuredPart:
    """A sentence or another line. `text` is `source[start:end]` with all white space replaced by single spaces."""

    start: int
    end: int
    text: str
    kind: PartKind


_ITEM = re.compile(r"\s*(?:[-*•–‣]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+(?:\[[ xX]\]\s+)?")
_NUMBERED = re.compile(r"\s*\(?\d{1,3}[.)]\s")
_HASH_HEADING = re.compile(r"\s{0,3}#{1,6}\s+")
_HORIZONTAL_RULE = re.compile(r"\s*([-=*_~.#])\1{2,}\s*$")
_FENCE = re.compile(r"\s*(```|~~~)")
_MARKUP = re.compile(r"\s*(?:\[?!\[|<[!/a-zA-Z]|\$ |>>> |\[[^\]]+\]:\s)")
_FIELD = re.compile(r"\s*(?:\*\*)?[^\W\d_][\w' ./-]{0,30}(?:\*\*)?:(?:\*\*)?\s+\S")
_CODE_LIKE = re.compile(
    r"[{};=<>$\\]|^\s*(?:pip|npm|git|cd|make|curl|docker|sudo|import|from|def|return)\s|\w\(\)|--\w"
)
_MARKERS = {
    PartKind.PROSE: _NUMBERED,
    PartKind.ITEM: _ITEM,
    PartKind.HEADING: _HASH_HEADING,
    PartKind.QUOTE: re.compile(r"\s*(?:>\s*)+"),
}
"""Marker at the start of a line, by kind; it is not part of the text."""
_INDENT = re.compile(r"(?: {4,}|\t)\S")
_MAX_FIELD_WORDS = 14
_MAX_HEADING_WORDS = 12
_SHORT_LINE_CHARACTERS = 40
_SHORT_LINE_RATIO = 0.7
"""A line below this length, or below this share of the longest line in its paragraph, counts as ended on purpose if
the next line begins with a capital letter or a digit."""


def split_parts(text: str) -> list[StructuredPart]:
    """Return the parts of a text, in order."""
    found: list[StructuredPart] = []
    for line, start, kind in _logical_lines(text):
        found += _line_parts(line, start, kind)
    return found


def _logical_lines(text: str) -> Iterator[tuple[str, int, PartKind]]:
    """Yield each logical line, its start and its kind.

    Wrapped lines are joined. A joined line has the same length as in the text.
    """
    fenced = False
    block: list[tuple[str, int]] = []
    start = 0
    for line in text.split("\n"):
        if _FENCE.match(line):
            yield from _block_lines(block)
            block, fenced = [], not fenced
        elif fenced:
            if line.strip():
                yield line, start, PartKind.CODE
        elif not line.strip():
            yield from _block_lines(block)
            block = []
        else:
            block.append((line, start))
        start += len(line) + 1
    yield from _block_lines(block)


def _block_lines(block: list[tuple[str, int]]) -> Iterator[tuple[str, int, PartKind]]:
    if not block:
        return
    indented = all(_INDENT.match(line) for line, _ in block) and not any(_ITEM.match(line) for line, _ in block)
    if indented and (any(_CODE_LIKE.search(line) for line, _ in block) or not is_complete(block[-1][0].rstrip())):
        yield from ((line, start, PartKind.CODE) for line, start in block)
        return
    longest = max(len(line.rstrip()) for line, _ in block)
    pending: _JoinedLine | None = None
    for number, (line, start) in enumerate(block):
        kind = _kind_of_line(line)
        if kind is None:  # a horizontal rule: it makes a short line above it a heading
            if pending and pending.kind is PartKind.PROSE and pending.word_count <= _MAX_HEADING_WORDS:
                pending.kind = PartKind.HEADING
            continue
        if pending and kind is PartKind.PROSE and _continues_line(pending.kind, block[number - 1][0], line, longest):
            pending.append(line)
            continue
        if pending:
            yield pending.joined
        pending = _JoinedLine(start, kind)
        pending.append(line)
    if pending:
        yield pending.joined


@dataclass(slots=True)
class _JoinedLine:
    """A logical line whose end is not known yet. Its lines are joined once, at its end: a text may have millions."""

    start: int
    kind: PartKind
    lines: list[str] = field(default_factory=list)
    word_count: int = 0

    def append(self, line: str) -> None:
        self.lines.append(line)
        self.word_count += len(line.split())

    @property
    def joined(self) -> tuple[str, int, PartKind]:
        return " ".join(self.lines), self.start, self.kind


def _continues_line(kind: PartKind, previous_line: str, line: str, longest: int) -> bool:
    """Return True if a line continues the line of `kind` before it."""
    if kind is PartKind.ITEM:
        return line.startswith((" ", "\t")) or line.lstrip()[:1].islower()
    if kind is not PartKind.PROSE:
        return False
    first = line.lstrip()[:1]
    ended = len(previous_line.rstrip()) < max(_SHORT_LINE_RATIO * longest, _SHORT_LINE_CHARACTERS) and (
        first.isupper() or first.isdigit()
    )
    return not ended


def _kind_of_line(line: str) -> PartKind | None:  # noqa: PLR0911  # a table of cases is clearest in one function
    if _HORIZONTAL_RULE.match(line):
        return None
    if _HASH_HEADING.match(line):
        return PartKind.HEADING
    if line.count("|") >= 2 or line.count("\t") >= 2:
        return None if not any(each.isalnum() for each in line) else PartKind.ROW
    if line.lstrip().startswith(">") and not line.lstrip().startswith(">>>"):
        return PartKind.QUOTE
    if _MARKUP.match(line):
        return PartKind.CODE
    if marker := _ITEM.match(line):
        rest = line[marker.end() :]
        # An item is a phrase or one sentence. A numbered line of several sentences is prose, such as a contract clause.
        return PartKind.PROSE if _NUMBERED.match(line) and len(list(split_sentences(rest))) > 1 else PartKind.ITEM
    if _FIELD.match(line) and not is_complete(line.rstrip()) and len(line.split()) <= _MAX_FIELD_WORDS:
        return PartKind.FIELD
    return PartKind.PROSE


def _line_parts(line: str, start: int, kind: PartKind) -> Iterator[StructuredPart]:
    marker = _MARKERS[kind].match(line) if kind in _MARKERS else None
    lead = marker.end() if marker else 0
    for sentence in split_sentences(line[lead:]):
        text, at = sentence.text, start + lead + sentence.start
        own = PartKind.HEADING if kind is PartKind.PROSE and not _is_prose(text) else kind
        yield StructuredPart(at, at + len(text), " ".join(text.split()), own)


def _is_prose(text: str) -> bool:
    words = len(text.split())
    return (is_complete(text) and words > 2) or (words > _MAX_HEADING_WORDS and not text.endswith(":"))

"""Where a sentence ends, in languages that put a space between words and in those that do not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

GAP = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])(?![。！？])[”’」』）]*\s*")
"""Between two sentences of a line: the quotes that close with the first, and the white space after it."""
_GAP_OR_LINE = re.compile(rf"{GAP.pattern}|\n+")
_END = re.compile(r"[.!?…。！？][\"'”’)\]」』）]*$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and where it stands: `text` is `source[start:end]`."""

    start: int
    end: int
    text: str


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text, without the white space around them. A line is one, whatever it ends with."""
    start = 0
    for gap in [*_GAP_OR_LINE.finditer(text), None]:
        end = gap.start() if gap else len(text)
        # Closing quotes belong to the sentence; the white space after them to none.
        stretch = text[start : gap.end() if gap else end].rstrip()
        lead = len(stretch) - len(stretch.lstrip())
        if stretch.strip():
            yield Sentence(start + lead, start + len(stretch), stretch.strip())
        start = gap.end() if gap else end


def whole(sentence: str) -> bool:
    """Whether the sentence has its end: one that was cut has none."""
    return _END.search(sentence) is not None

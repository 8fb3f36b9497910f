"""Splitting of a text into sentences, for languages with and without spaces between words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

SENTENCE_BOUNDARY = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])(?![。！？])[”’」』）]*\s*")
"""Boundary of two sentences in a line: closing quotes of the first sentence and the white space after it."""
_BOUNDARY_OR_LINE_END = re.compile(rf"{SENTENCE_BOUNDARY.pattern}|\n+")
_ABBREVIATION = re.compile(
    r"\b(?:Mr|Mrs|Ms|Dr|Dra|Prof|St|Sr|Sra|Jr|Eng|Av|Exmo|Exma|e\.g|i\.e|vs|approx|ca|cf|incl)\.$"
)
_NUMBER_ABBREVIATION = re.compile(r"\b(?:[Nn]o|[Nn]r|[Aa]rt|[Ff]ig|[Tt]el|pp?)\.$")
_INITIAL = re.compile(r"(?:^|\b[A-Z][\w.]* )[A-Z]\.$")
"""Abbreviations, and initials, whose full stop does not end a sentence."""
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)\]」』）]*$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and its position: `text` is `source[start:end]`."""

    start: int
    end: int
    text: str


def split_sentences(text: str) -> Iterator[Sentence]:
    """Yield the sentences of a text, without surrounding white space. A line break always ends a sentence."""
    start = 0
    for gap in [*_BOUNDARY_OR_LINE_END.finditer(text), None]:
        if gap and "\n" not in gap[0] and _is_false_boundary(text, gap):
            continue
        end = gap.start() if gap else len(text)
        # Closing quotes belong to the sentence, but the white space after them does not.
        sentence = text[start : gap.end() if gap else end].rstrip()
        lead = len(sentence) - len(sentence.lstrip())
        if sentence.strip():
            yield Sentence(start + lead, start + len(sentence), sentence.strip())
        start = gap.end() if gap else end


def _is_false_boundary(text: str, boundary: re.Match[str]) -> bool:
    """Return True if the full stop before a gap belongs to an abbreviation, or the next word is in lower case."""
    before = text[max(boundary.start() - 30, 0) : boundary.start()]
    after = text[boundary.end() : boundary.end() + 1]
    if not before.endswith("."):
        return False
    abbreviated = (
        _ABBREVIATION.search(before)
        or (after.isdigit() and _NUMBER_ABBREVIATION.search(before))
        or _INITIAL.search(before)
    )
    return after.islower() or bool(abbreviated)


def is_complete(sentence: str) -> bool:
    """Return True if the sentence ends with a full stop or a similar mark, so it was not cut."""
    return _SENTENCE_END.search(sentence) is not None

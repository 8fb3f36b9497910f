"""Cutting a text into parts that a model can read."""

import re
from collections.abc import Callable

from carteiro.models import sentences

_BOUNDARIES = (
    re.compile(r"\n\s*\n\s*"),
    re.compile(r"\n\s*"),
    sentences.GAP,
    re.compile(r"[,;:]\s+|[，、；：]\s*"),
    re.compile(r"\s+"),
)
"""Where a text may be cut, best first: between paragraphs, lines, sentences, clauses, words."""


def split(text: str, limit: int, count: Callable[[str], int]) -> list[str]:
    """Parts of at most `limit` tokens by `count`, in order, of about the same length; joined they are the text.

    Each cut is at the best kind of boundary near the middle, so a sentence is cut only where it is longer than
    a part, and a word only where it is.
    """
    if count(text) <= limit or len(text) < 2:
        return [text]
    cut = _cut(text)
    return split(text[:cut], limit, count) + split(text[cut:], limit, count)


def _cut(text: str) -> int:
    middle = len(text) // 2
    reach = max(len(text) // 4, 1)
    for boundary in _BOUNDARIES:
        ends = [match.end() for match in boundary.finditer(text, middle - reach, middle + reach)]
        inside = [end for end in ends if 0 < end < len(text)]
        if inside:
            return min(inside, key=lambda end: abs(end - middle))
    return middle

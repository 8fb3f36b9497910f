"""Splitting of a text into parts that fit a model."""

import re
from collections.abc import Callable

from carteiro.text import sentences

_BOUNDARIES = (
    re.compile(r"\n\s*\n\s*"),
    re.compile(r"\n\s*"),
    sentences.SENTENCE_BOUNDARY,
    re.compile(r"[,;:]\s+|[，、；：]\s*"),
    re.compile(r"\s+"),
)
"""Boundaries for a cut, best first: between paragraphs, lines, sentences, clauses, words."""


def split_text(text: str, max_tokens: int, count_tokens: Callable[[str], int]) -> list[str]:
    """Return parts of at most `max_tokens` tokens by `count_tokens`, of similar length; joined, they are the text.

    A cut is made at the best kind of boundary near the middle. A sentence is cut only if the text has no better
    boundary there, and a word only if there is no boundary at all.
    """
    if count_tokens(text) <= max_tokens or len(text) < 2:
        return [text]
    cut = _find_cut(text)
    return split_text(text[:cut], max_tokens, count_tokens) + split_text(text[cut:], max_tokens, count_tokens)


def _find_cut(text: str) -> int:
    middle = len(text) // 2
    reach = max(len(text) // 4, 1)
    for boundary in _BOUNDARIES:
        ends = [match.end() for match in boundary.finditer(text, middle - reach, middle + reach)]
        inside = [end for end in ends if 0 < end < len(text)]
        if inside:
            return min(inside, key=lambda end: abs(end - middle))
    return middle

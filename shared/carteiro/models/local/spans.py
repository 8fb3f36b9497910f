"""Where in a text an answer stands: the best stretch of tokens of one window, and its characters."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import torch

MOST_TOKENS = 30
"""The longest answer, in tokens; what Transformers' own scripts for SQuAD take."""
_JOINERS = "\u200d\ufe0e\ufe0f"
"""Joins emoji into one; choose a character's form."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a context in characters, and the sum of its two logits."""

    start: int
    end: int
    logit: float


def best_span(start: torch.Tensor, end: torch.Tensor, offsets: Sequence[tuple[int, int] | None]) -> Span | None:
    """The likeliest stretch of a window whose tokens stand at `offsets` in the context; those outside it have None.

    None where the window shows nothing of the context.
    """
    inside = torch.tensor([place is not None for place in offsets])
    start, end = start.masked_fill(~inside, float("-inf")), end.masked_fill(~inside, float("-inf"))
    allowed = torch.ones(len(offsets), len(offsets), dtype=torch.bool).triu().tril(MOST_TOKENS - 1)
    sums = (start[:, None] + end[None, :]).masked_fill(~allowed, float("-inf"))
    first, last = divmod(int(sums.argmax()), len(offsets))
    begins, ends = offsets[first], offsets[last]
    if begins is None or ends is None:
        return None
    return Span(begins[0], ends[1], float(sums[first, last]))


def whole_characters(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch without the white space around it, and with what belongs to the characters at its ends: tokenizers
    that take accents off leave a combining mark outside, and those of bytes may cut an emoji that is joined of several.
    """
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while start > 0 and start < end and _continues(text, start):
        start -= 1
    while start < end < len(text) and _continues(text, end):
        end += 1
    return start, end


def _continues(text: str, place: int) -> bool:
    """Whether the character at a place is part of the one before it."""
    character = text[place]
    return (
        bool(unicodedata.combining(character))
        or character in _JOINERS
        or text[place - 1] == "\u200d"
        or ("\U0001f3fb" <= character <= "\U0001f3ff")
    )

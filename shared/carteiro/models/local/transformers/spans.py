"""The span of an answer in a text: the best sequence of tokens in one window, and its characters."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import torch

MAX_ANSWER_TOKENS = 30
"""Maximum length of an answer, in tokens, as in the SQuAD scripts of Transformers."""
_JOINERS = "\u200d\ufe0e\ufe0f"
"""Characters that join emoji into one, or choose the form of the character before them."""


@dataclass(frozen=True, slots=True)
class AnswerSpan:
    """A span of a context in characters, and the sum of its start and end logits."""

    start: int
    end: int
    logit: float


def best_span(start: torch.Tensor, end: torch.Tensor, offsets: Sequence[tuple[int, int] | None]) -> AnswerSpan | None:
    """Return the likeliest span of a window; None if the window has no token of the context.

    `start` and `end` are the logits of the window, `[tokens]`. `offsets` are the characters of each token in the
    context; None for a token that is not part of the context.
    """
    inside = torch.tensor([offset is not None for offset in offsets])
    start, end = start.masked_fill(~inside, float("-inf")), end.masked_fill(~inside, float("-inf"))
    allowed = torch.ones(len(offsets), len(offsets), dtype=torch.bool).triu().tril(MAX_ANSWER_TOKENS - 1)
    sums = (start[:, None] + end[None, :]).masked_fill(~allowed, float("-inf"))
    first, last = divmod(int(sums.argmax()), len(offsets))
    begins, ends = offsets[first], offsets[last]
    if begins is None or ends is None:
        return None
    return AnswerSpan(begins[0], ends[1], float(sums[first, last]))


def snap_to_characters(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the span without surrounding white space, widened to whole characters.

    A tokenizer that removes accents leaves a combining mark outside the span. A byte-level tokenizer may cut an emoji
    that is joined from several characters.
    """
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while start > 0 and start < end and _continues_character(text, start):
        start -= 1
    while start < end < len(text) and _continues_character(text, end):
        end += 1
    return start, end


def _continues_character(text: str, index: int) -> bool:
    """Return True if the character at `index` is part of the character before it."""
    character = text[index]
    return (
        bool(unicodedata.combining(character))
        or character in _JOINERS
        or text[index - 1] == "\u200d"
        or ("\U0001f3fb" <= character <= "\U0001f3ff")
    )

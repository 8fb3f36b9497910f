"""Detection of a completion that repeats itself: small models may write the same words until the token limit."""

from collections.abc import Sequence

_MAX_PHRASE_TOKENS = 64
"""Maximum length of a repeated phrase that is detected, in tokens."""
_MIN_COPIES = 4
_MIN_LOOP_TOKENS = 32
"""Minimum copies of a phrase, and minimum tokens of all copies: a refrain or a line of dashes is not a loop."""


def repeats_itself(tokens: Sequence[int]) -> bool:
    """Return True if the tokens end with the same phrase again and again."""
    length = len(tokens)
    for phrase in range(1, min(_MAX_PHRASE_TOKENS, length // _MIN_COPIES) + 1):
        span = max(phrase * _MIN_COPIES, _MIN_LOOP_TOKENS)
        if span > length or tokens[-1] != tokens[-1 - phrase]:
            continue
        if tokens[length - span + phrase :] == tokens[length - span : length - phrase]:
            return True
    return False

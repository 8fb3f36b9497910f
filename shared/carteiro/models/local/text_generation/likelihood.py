"""The token predictions that make up the likelihood of a continuation."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenPrediction:
    """One token of a continuation, and all tokens that it is predicted from."""

    context: tuple[int, ...]
    token: int


def token_predictions(prefix: Sequence[int], full_sequences: Sequence[Sequence[int]]) -> list[list[TokenPrediction]]:
    """Return the token predictions of each continuation.

    `prefix` are the tokens of the text. A full sequence is the text and a continuation, encoded together, because some
    tokenizers put a space before every text.
    """
    return [
        [
            TokenPrediction(tuple(sequence[:index]), sequence[index])
            for index in range(common_prefix_length(prefix, sequence), len(sequence))
        ]
        for sequence in full_sequences
    ]


def common_prefix_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Return the number of tokens that two sequences have in common at the start."""
    pairs = zip(first, second, strict=False)
    return next((index for index, (left, right) in enumerate(pairs) if left != right), min(len(first), len(second)))

"""How likely a continuation is: which tokens to ask for, after which others."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One token of a continuation, and all the tokens that it is predicted from."""

    before: tuple[int, ...]
    token: int


def steps(prefix: Sequence[int], wholes: Sequence[Sequence[int]]) -> list[list[Step]]:
    """For each whole (the prefix's text and a continuation's, encoded together) the tokens that are its own.

    The whole is encoded, not the continuation alone: some tokenizers put a space before every text.
    """
    return [
        [Step(tuple(whole[:place]), whole[place]) for place in range(shared(prefix, whole), len(whole))]
        for whole in wholes
    ]


def shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two texts begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))

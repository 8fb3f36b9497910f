"""How likely a causal model finds each of several continuations of a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from carteiro.models.in_process.likelihood import shared
from carteiro.models.interface import Ranking
from carteiro.models.local.forward import keeps_a_state, left_padded, read
from carteiro.schemas import Usage


@dataclass(frozen=True, slots=True)
class Continued:
    """A text with each continuation, as tokens, and how many of the last tokens are the continuation's."""

    wholes: Sequence[tuple[int, ...]]
    endings: Sequence[int]

    @property
    def rows(self) -> list[tuple[int, ...]]:
        """What the model has to read: a token is predicted from those before it, so the last one is never read.

        Continuations of one token each are all answered by one row.
        """
        return list(dict.fromkeys(whole[:-1] for whole in self.wholes))

    @property
    def tokens(self) -> int:
        """How many tokens the model has to read."""
        return sum(map(len, self.rows))


def continued(prefix: Sequence[int], wholes: Sequence[Sequence[int]]) -> Continued:
    """The tokens of a text, and of the text with each continuation: encoding may join the two at the seam."""
    return Continued([tuple(whole) for whole in wholes], [len(whole) - shared(prefix, whole) for whole in wholes])


def rank(model: Any, asked: Sequence[Continued]) -> list[Ranking]:
    """The log-probabilities of all continuations, in one pass over their texts."""
    rows = list(dict.fromkeys(row for each in asked for row in each.rows))
    keep = max(ending for each in asked for ending in each.endings)
    logits: dict[tuple[int, ...], torch.Tensor] = {}
    for batch in [[row] for row in rows] if keeps_a_state(model) else [rows]:
        logits |= zip(batch, read(model, *left_padded(batch, model.device), keep=keep), strict=True)
    return [
        Ranking(
            [
                _log_probability(logits[whole[:-1]], whole[len(whole) - ending :])
                for whole, ending in zip(each.wholes, each.endings, strict=True)
            ],
            Usage(input_tokens=each.tokens),
        )
        for each in asked
    ]


def _log_probability(logits: torch.Tensor, tokens: Sequence[int]) -> float:
    steps = torch.log_softmax(logits[len(logits) - len(tokens) :].float(), dim=-1)
    return sum(float(steps[number, token]) for number, token in enumerate(tokens))

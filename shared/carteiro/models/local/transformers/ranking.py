"""Log-probabilities of several continuations of a text, by a causal model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from carteiro.models.interface import Ranking
from carteiro.models.local.text_generation.likelihood import common_prefix_length
from carteiro.models.local.transformers.forward import compute_logits, is_recurrent, pad_left
from carteiro.schemas import Usage


@dataclass(frozen=True, slots=True)
class RankingInput:
    """A text with each continuation, as tokens, and the number of tokens of each continuation."""

    full_sequences: Sequence[tuple[int, ...]]
    continuation_lengths: Sequence[int]

    @property
    def model_inputs(self) -> list[tuple[int, ...]]:
        """Distinct rows that the model reads.

        The last token of a sequence is predicted, not read. So continuations of one token share one row.
        """
        return list(dict.fromkeys(sequence[:-1] for sequence in self.full_sequences))

    @property
    def token_count(self) -> int:
        """Number of tokens that the model reads."""
        return sum(map(len, self.model_inputs))


def make_ranking_input(prefix: Sequence[int], full_sequences: Sequence[Sequence[int]]) -> RankingInput:
    """Return the ranking input of a text and of the text with each continuation, as tokens.

    A token may span the end of the text and the start of the continuation. It belongs to the continuation.
    """
    return RankingInput(
        [tuple(sequence) for sequence in full_sequences],
        [len(sequence) - common_prefix_length(prefix, sequence) for sequence in full_sequences],
    )


def rank(model: Any, inputs: Sequence[RankingInput]) -> list[Ranking]:
    """Return the log-probabilities of all continuations, in one pass over the distinct rows."""
    rows = list(dict.fromkeys(row for each in inputs for row in each.model_inputs))
    keep = max(length for each in inputs for length in each.continuation_lengths)
    logits: dict[tuple[int, ...], torch.Tensor] = {}
    for batch in [[row] for row in rows] if is_recurrent(model) else [rows]:
        logits |= zip(batch, compute_logits(model, *pad_left(batch, model.device), logits_to_keep=keep), strict=True)
    return [
        Ranking(
            [
                _log_probability(logits[sequence[:-1]], sequence[len(sequence) - length :])
                for sequence, length in zip(each.full_sequences, each.continuation_lengths, strict=True)
            ],
            Usage(input_tokens=each.token_count),
        )
        for each in inputs
    ]


def _log_probability(logits: torch.Tensor, tokens: Sequence[int]) -> float:
    steps = torch.log_softmax(logits[len(logits) - len(tokens) :].float(), dim=-1)
    return sum(float(steps[number, token]) for number, token in enumerate(tokens))

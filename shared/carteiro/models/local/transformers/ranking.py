"""Log-probabilities of several continuations of a text, by a causal model."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from carteiro.models.local.text_generation.likelihood import TokenPrediction, token_predictions
from carteiro.models.local.transformers.forward import compute_logits, is_recurrent
from carteiro.models.local.transformers.prefix_cache import PrefixCache
from carteiro.models.results import Ranking
from carteiro.schemas import Usage

_MAX_PASS_TOKENS = 4096
"""Maximum number of tokens of one pass, those of the prefix cache and padding included: it bounds the memory."""
_MAX_KNOWN_SHARE = 0.5
"""A text of which the prefix cache knows a larger share is not kept."""

_Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RankingInput:
    """A text with each continuation, as tokens, and the predictions that make up each continuation."""

    full_sequences: Sequence[_Tokens]
    predictions: Sequence[Sequence[TokenPrediction]]

    @property
    def stem(self) -> _Tokens:
        """The tokens before the first one that is predicted; all sequences begin with them."""
        return min((step.context for each in self.predictions for step in each), key=len, default=())

    @property
    def model_inputs(self) -> list[_Tokens]:
        """Distinct rows that the model reads.

        The last token of a sequence is predicted, not read. So continuations of one token share one row.
        """
        return list(dict.fromkeys(sequence[:-1] for sequence in self.full_sequences))

    @property
    def token_count(self) -> int:
        """Number of tokens that the model reads if it has read none of them before."""
        return sum(map(len, self.model_inputs))

    def cost(self, prefixes: PrefixCache) -> int:
        """Return the cost of reading the input, in tokens: the text is read once for all continuations."""
        if not prefixes.is_enabled:
            return self.token_count
        return prefixes.cost(self.stem) + sum(len(row) - len(self.stem) for row in self.model_inputs)


def make_ranking_input(prefix: Sequence[int], full_sequences: Sequence[Sequence[int]]) -> RankingInput:
    """Return the ranking input of a text and of the text with each continuation, as tokens.

    A token may span the end of the text and the start of the continuation. It belongs to the continuation.
    """
    return RankingInput([tuple(each) for each in full_sequences], token_predictions(prefix, full_sequences))


def rank(model: Any, prefixes: PrefixCache, inputs: Sequence[RankingInput]) -> list[Ranking]:
    """Return the log-probabilities of all continuations.

    The texts are read first, then the tokens of all continuations after them. Without a prefix cache, each text is read
    with each continuation.
    """
    reader = _Reader(model, prefixes, (step for each in inputs for steps in each.predictions for step in steps))
    stems = {each.stem: 1 for each in inputs if each.stem} if prefixes.is_enabled else {}
    continued = {each.stem for each in inputs for row in each.model_inputs if len(row) > len(each.stem)}
    reader.read(stems, continued)
    rows: dict[_Tokens, int] = {}
    for each in inputs:
        for row in each.model_inputs:
            rows[row] = max(rows.get(row, 0), len(row) - len(each.stem) + (each.stem not in stems))
    reader.read({row: keep for row, keep in rows.items() if row and keep})
    return [
        Ranking(
            [sum(reader.found[step] for step in steps if step.context) for steps in each.predictions],
            Usage(input_tokens=each.token_count),
        )
        for each in inputs
    ]


class _Reader:
    """Reads rows of tokens and keeps the log-probabilities of the wanted tokens, in `found`."""

    def __init__(self, model: Any, prefixes: PrefixCache, wanted: Iterable[TokenPrediction]) -> None:
        self._model, self._prefixes = model, prefixes
        self._wanted: dict[_Tokens, set[int]] = {}
        for step in wanted:
            self._wanted.setdefault(step.context, set()).add(step.token)
        self.found: dict[TokenPrediction, float] = {}

    def read(self, rows: Mapping[_Tokens, int], continued: Collection[_Tokens] = ()) -> None:
        """Read rows, in several passes if they are many.

        The value of a row is the number of its last tokens after which wanted tokens may stand. The prefix cache keeps
        rows that are `continued`, and those that begin like no row before: it would fill up with texts that never come
        again.
        """
        for batch in _passes(self._model, rows):
            if shared := self._prefixes.shared_length(batch):
                self._forward([batch[0][:shared]], 1, ())
            self._forward(batch, max(rows[row] for row in batch), continued)

    def _forward(self, batch: Sequence[_Tokens], keep: int, continued: Collection[_Tokens]) -> None:
        prefill = self._prefixes.prefill(batch, keep=keep)
        logits = compute_logits(self._model, prefill.ids, prefill.mask, logits_to_keep=keep, cache=prefill.cache)
        kept = [
            row if row in continued or known < len(row) * _MAX_KNOWN_SHARE else ()
            for row, known in zip(batch, prefill.cached_tokens, strict=True)
        ]
        self._prefixes.store(kept, prefill.cache)
        for row, steps in zip(batch, logits, strict=True):
            for back in range(min(keep, len(row))):
                self._score(row[: len(row) - back], steps[len(steps) - 1 - back])

    def _score(self, context: _Tokens, logits: torch.Tensor) -> None:
        """Keep the log-probabilities of the tokens that are wanted after a context."""
        if tokens := list(self._wanted.get(context, ())):
            log_probabilities = torch.log_softmax(logits.float(), dim=-1)[tokens].tolist()
            for token, found in zip(tokens, log_probabilities, strict=True):
                self.found[TokenPrediction(context, token)] = found


def _passes(model: Any, rows: Iterable[_Tokens]) -> Iterator[list[_Tokens]]:
    """Divide rows into batches of similar length."""
    batch: list[_Tokens] = []
    for row in sorted(rows, key=len):
        if batch and (is_recurrent(model) or len(row) * (len(batch) + 1) > _MAX_PASS_TOKENS):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch

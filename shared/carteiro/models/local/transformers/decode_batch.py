"""Sequences decoded together by a causal model, one token each per step. They join and leave between steps."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import pad

from carteiro.models.local.text_generation.token_sequence import TokenSequence
from carteiro.models.local.transformers.forward import compute_logits, is_recurrent
from carteiro.models.local.transformers.prefix_cache import PrefixCache

_CHUNK = 512
"""Maximum number of prompt tokens read in one step, so that a long prompt delays other sequences only briefly."""


class DecodeBatch:
    """Sequences and the keys and values that the model has computed for them (the cache).

    Shorter rows are padded on the left, so all rows end at the same column. The padding is masked. The batch is used
    on the model's thread only.
    """

    def __init__(self, model: Any, prefixes: PrefixCache, rows: Sequence[TokenSequence]) -> None:
        self._model, self._prefixes = model, prefixes
        self.sequences = list(rows)
        self.is_prefilling = True
        """True until all prompts are read. Until then no token is written and no other batch can be merged in."""
        self._cache: Any = None

    def _start_prefill(self) -> None:
        prefill = self._prefixes.prefill([row.token_ids for row in self.sequences])
        self._pending_ids, self._mask, self._cache = prefill.ids, prefill.mask, prefill.cache
        self.length = int(self._mask.shape[1])
        """Number of tokens of the longest row."""
        self._cached_columns = self.length - self._pending_ids.shape[1]

    def step(self) -> None:
        """Read the next tokens of the prompts, or write one token in each row.

        Finished rows must be removed by `retain` before the next step.
        """
        if self._cache is None:
            self._start_prefill()
        columns = min(max(1, _CHUNK // len(self.sequences)), self._pending_ids.shape[1])
        ids, self._pending_ids = self._pending_ids[:, :columns], self._pending_ids[:, columns:]
        mask = self._mask[:, : self._cached_columns + columns]
        logits = compute_logits(self._model, ids, mask, cache=self._cache)[:, -1]
        self._cached_columns += columns
        if self._pending_ids.shape[1]:
            return
        if self.is_prefilling:
            self._prefixes.store([row.token_ids for row in self.sequences], self._cache)
        likeliest = logits.argmax(-1).tolist()
        for row, scores, token in zip(self.sequences, logits, likeliest, strict=True):
            if row.is_greedy:
                row.append(token)
            else:
                row.sample(scores)
        self.is_prefilling = False
        self._pending_ids = self._tensor([row.output_ids[-1:] or [0] for row in self.sequences])
        self._mask = pad(self._mask, (0, 1), value=1)
        self.length += 1

    def retain(self, rows: Sequence[TokenSequence]) -> None:
        """Keep only these rows."""
        if len(rows) == len(self.sequences):
            return
        kept = self._tensor([self.sequences.index(row) for row in rows])
        self.sequences = list(rows)
        if self._cache is None:
            return
        self._pending_ids, self._mask = self._pending_ids[kept], self._mask[kept]
        self._cache.batch_select_indices(kept)
        # Columns that are padding in every remaining row only cost time.
        surplus = min(int(self._mask.argmax(-1).min()), self._cached_columns)
        if surplus and not is_recurrent(self._model):
            self._mask = self._mask[:, surplus:]
            self._shift_cache(-surplus)
            self.length -= surplus
            self._cached_columns -= surplus

    def merge(self, other: "DecodeBatch") -> None:
        """Add the rows of another batch. Neither batch may be `is_prefilling`."""
        longest = max(self.length, other.length)
        self._pad_left(longest - self.length)
        other._pad_left(longest - other.length)  # noqa: SLF001
        for mine, its in zip(self._cache.layers, other._cache.layers, strict=True):  # noqa: SLF001
            mine.keys = torch.cat([mine.keys, its.keys])
            mine.values = torch.cat([mine.values, its.values])
        self._pending_ids = torch.cat([self._pending_ids, other._pending_ids])  # noqa: SLF001
        self._mask = torch.cat([self._mask, other._mask])  # noqa: SLF001
        self.sequences += other.sequences

    def _pad_left(self, columns: int) -> None:
        self._mask = pad(self._mask, (columns, 0))
        self._shift_cache(columns)
        self.length += columns
        self._cached_columns += columns

    def _shift_cache(self, columns: int) -> None:
        """Move the cached columns to the right, or to the left if `columns` is negative."""
        for layer in self._cache.layers:
            layer.keys = pad(layer.keys, (0, 0, columns, 0))
            layer.values = pad(layer.values, (0, 0, columns, 0))

    def _tensor(self, rows: list[Any]) -> torch.Tensor:
        return torch.tensor(rows, device=self._model.device)

"""Rows that go through a causal model together, one token each at a step. They join and leave between steps."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import pad

from carteiro.models.local.forward import keeps_a_state, left_padded, new_cache, read
from carteiro.models.local.row import Row

_CHUNK = 512
"""Most tokens that are read in one step: a long prompt holds up those who write for no longer than that takes."""


class Batch:
    """Some rows and the keys and values that the model has computed for them (its cache).

    Rows end together: shorter ones are padded on the left, and what the padding holds is never looked at. It is
    used on the model's thread only.
    """

    def __init__(self, model: Any, rows: Sequence[Row]) -> None:
        self._model = model
        self.rows = list(rows)
        self.reading = True
        """Whether prompts have not been read whole yet: nothing is written until they are, and none can join."""
        self._cache: Any = None

    def _open(self) -> None:
        self._unread, self._mask = left_padded([row.tokens for row in self.rows], self._model.device)
        self.length = int(self._mask.shape[1])
        """How many tokens the longest row has."""
        self._read = 0
        self._cache = new_cache(self._model)

    def step(self) -> None:
        """Read on, or write one token in each row. The rows that this ends have to be left out before the next step."""
        if self._cache is None:
            self._open()
        columns = min(max(1, _CHUNK // len(self.rows)), self._unread.shape[1])
        ids, self._unread = self._unread[:, :columns], self._unread[:, columns:]
        mask = self._mask[:, : self._read + columns]
        logits = read(self._model, ids, mask, cache=self._cache)[:, -1]
        self._read += columns
        if self._unread.shape[1]:
            return
        likeliest = logits.argmax(-1).tolist()
        for row, scores, token in zip(self.rows, logits, likeliest, strict=True):
            if row.sampler.greedy:
                row.add(token)
            else:
                row.write(scores)
        self.reading = False
        self._unread = self._tensor([row.written[-1:] or [0] for row in self.rows])
        self._mask = pad(self._mask, (0, 1), value=1)
        self.length += 1

    def keep(self, rows: Sequence[Row]) -> None:
        """Leave out all other rows."""
        if len(rows) == len(self.rows):
            return
        kept = self._tensor([self.rows.index(row) for row in rows])
        self.rows = list(rows)
        if self._cache is None:
            return
        self._unread, self._mask = self._unread[kept], self._mask[kept]
        self._cache.batch_select_indices(kept)
        # Padding that no row has any more is cut off.
        surplus = min(int(self._mask.argmax(-1).min()), self._read)
        if surplus and not keeps_a_state(self._model):
            self._mask = self._mask[:, surplus:]
            self._shift(-surplus)
            self.length -= surplus
            self._read -= surplus

    def join(self, other: "Batch") -> None:
        """Take the rows of another batch in. Neither may be `reading`."""
        longest = max(self.length, other.length)
        self._pad(longest - self.length)
        other._pad(longest - other.length)  # noqa: SLF001
        for mine, its in zip(self._cache.layers, other._cache.layers, strict=True):  # noqa: SLF001
            mine.keys = torch.cat([mine.keys, its.keys])
            mine.values = torch.cat([mine.values, its.values])
        self._unread = torch.cat([self._unread, other._unread])  # noqa: SLF001
        self._mask = torch.cat([self._mask, other._mask])  # noqa: SLF001
        self.rows += other.rows

    def _pad(self, columns: int) -> None:
        self._mask = pad(self._mask, (columns, 0))
        self._shift(columns)
        self.length += columns
        self._read += columns

    def _shift(self, columns: int) -> None:
        """Move what is cached to the right, or, by a negative number, to the left."""
        for layer in self._cache.layers:
            layer.keys = pad(layer.keys, (0, 0, columns, 0))
            layer.values = pad(layer.values, (0, 0, columns, 0))

    def _tensor(self, rows: list[Any]) -> torch.Tensor:
        return torch.tensor(rows, device=self._model.device)

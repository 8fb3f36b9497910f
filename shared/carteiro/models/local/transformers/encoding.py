"""Batches of encoded texts, as tensors for a model."""

from collections.abc import Sequence
from typing import Any

import torch

EncodedText = dict[str, list[int]]
"""Output of a tokenizer for one text: `input_ids`, `attention_mask`, and `token_type_ids` if the model has them."""


def pad_batch(tokenizer: Any, rows: Sequence[EncodedText], device: torch.device) -> Any:
    """Return the rows as tensors, `[rows, tokens]`. The tokenizer sets the side and the tokens of the padding."""
    return tokenizer.pad({name: [row[name] for row in rows] for name in rows[0]}, return_tensors="pt").to(device)

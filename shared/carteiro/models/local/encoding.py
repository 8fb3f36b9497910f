"""Rows of tokens, put together as a model takes them."""

from collections.abc import Sequence
from typing import Any

import torch

Encoded = dict[str, list[int]]
"""What a tokenizer makes of one text: `input_ids`, `attention_mask`, and `token_type_ids` where the model has them."""


def padded(tokenizer: Any, rows: Sequence[Encoded], device: torch.device) -> Any:
    """The rows as tensors of one length. On which side, and with which token and type, the tokenizer knows."""
    return tokenizer.pad({name: [row[name] for row in rows] for name in rows[0]}, return_tensors="pt").to(device)

"""Forward pass of a causal model over rows of tokens that are padded on the left."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache


def pad_left(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the rows as one tensor and its mask, both `[rows, tokens]`. The mask is 1 for a token, 0 for padding."""
    longest = max(map(len, rows))
    padding = [longest - len(row) for row in rows]
    ids = [[0] * columns + list(row) for columns, row in zip(padding, rows, strict=True)]
    mask = [[0] * columns + [1] * (longest - columns) for columns in padding]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def compute_logits(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, *, logits_to_keep: int = 1, cache: DynamicCache | None = None
) -> torch.Tensor:
    """Return the logits after the last `logits_to_keep` tokens of each row, `[rows, logits_to_keep, vocabulary]`.

    `ids` are `[rows, tokens]`. `mask` is `[rows, cached tokens + tokens]`. The keys and values of `ids` are added to
    the cache.
    """
    accepted = inspect.signature(model.forward).parameters
    options: dict[str, Any] = {}
    if "position_ids" in accepted:
        options["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    if "logits_to_keep" in accepted:
        options["logits_to_keep"] = logits_to_keep
    if cache is not None:
        options["cache"] = cache
    with torch.inference_mode():
        output = model(ids, attention_mask=mask, use_cache=cache is not None, **options)
    logits: torch.Tensor = output.logits[:, -logits_to_keep:]
    return logits


def is_recurrent(model: Any) -> bool:
    """Return True if the model keeps one recurrent state, as Mamba does, instead of keys and values for each token.

    Its rows cannot be padded, so each row is a batch of its own.
    """
    return bool(model._is_stateful)  # noqa: SLF001


def new_cache(model: Any) -> DynamicCache:
    """Return an empty cache. It keeps every token unless the model is recurrent."""
    return DynamicCache(config=model.config) if is_recurrent(model) else DynamicCache()

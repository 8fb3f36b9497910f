"""A causal model reads rows of tokens, padded on the left, and says what may come next."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache


def left_padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows as one tensor, and its mask: 1 where there is a token, 0 where there is padding."""
    longest = max(map(len, rows))
    padding = [longest - len(row) for row in rows]
    ids = [[0] * columns + list(row) for columns, row in zip(padding, rows, strict=True)]
    mask = [[0] * columns + [1] * (longest - columns) for columns in padding]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def read(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, *, keep: int = 1, cache: DynamicCache | None = None
) -> torch.Tensor:
    """The logits after each of the last `keep` tokens of each row.

    `mask` speaks of what is cached too; what is read is added to the cache.
    """
    takes = inspect.signature(model.forward).parameters
    more: dict[str, Any] = {}
    if "position_ids" in takes:
        more["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    if "logits_to_keep" in takes:
        more["logits_to_keep"] = keep
    if cache is not None:
        more["cache"] = cache
    with torch.inference_mode():
        output = model(ids, attention_mask=mask, use_cache=cache is not None, **more)
    logits: torch.Tensor = output.logits[:, -keep:]
    return logits


def keeps_a_state(model: Any) -> bool:
    """Whether the model folds what it has read into a state, as Mamba does, instead of keeping it token by token.

    Such rows cannot be padded: they are read alone.
    """
    return bool(model._is_stateful)  # noqa: SLF001


def new_cache(model: Any) -> DynamicCache:
    """An empty cache; one that holds every token for as long as it lives, where the model can do with that."""
    return DynamicCache(config=model.config) if keeps_a_state(model) else DynamicCache()

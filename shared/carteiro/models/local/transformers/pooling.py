"""Pooling of token vectors into one vector, by the files that Sentence Transformers saves with a model."""

from dataclasses import dataclass
from typing import Literal

import torch

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.transformers.model_files import read_json

PoolingMode = Literal["mean", "cls"]
_MODE_BY_FLAG: dict[str, PoolingMode] = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
_SUPPORTED_MODULES = frozenset({"Transformer", "Pooling", "Normalize"})


@dataclass(frozen=True, slots=True)
class Pooling:
    """The mean of a text's token vectors, or the vector of its first token (`cls`).

    `max_tokens` is the longest text that the model was made for, in tokens, special tokens included; None if no file
    names it.
    """

    mode: PoolingMode
    max_tokens: int | None

    def apply(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return vectors of length 1, `[texts, dimensions]`.

        `hidden` is `[texts, tokens, dimensions]`; `mask`, `[texts, tokens]`, is 0 for padding.
        """
        if self.mode == "cls":
            # Padding may stand before the first token.
            first = mask.argmax(dim=1)
            pooled = hidden[torch.arange(hidden.shape[0], device=hidden.device), first]
        else:
            weights = mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
        return torch.nn.functional.normalize(pooled, dim=1)


def read_pooling(location: str) -> Pooling:
    """Return the pooling of the model in a directory or on the hub. Raise `ModelUnusable` if its files name none."""
    modules = read_json(location, "modules.json")
    if not isinstance(modules, list):
        raise ModelUnusable(
            f"{location} does not say how its vectors are made: it has no modules.json, as Sentence Transformers saves"
        )
    kinds = {str(module.get("type", "")).rpartition(".")[2]: str(module.get("path", "")) for module in modules}
    if unknown := sorted(kinds.keys() - _SUPPORTED_MODULES):
        raise ModelUnusable(f"{location} makes its vectors by {', '.join(unknown)}, which this service does not know")
    config = read_json(location, f"{kinds.get('Pooling', '1_Pooling')}/config.json") or {}
    if config.get("include_prompt") is False:
        raise ModelUnusable(f"{location} leaves its prompts out of its vectors, which this service cannot do")
    modes = [mode for flag, mode in _MODE_BY_FLAG.items() if config.get(flag)]
    modes = modes or [mode for mode in _MODE_BY_FLAG.values() if config.get("pooling_mode") == mode]
    if len(modes) != 1:
        raise ModelUnusable(f"{location} pools its tokens in a way that this service does not know: mean and cls only")
    limit = (read_json(location, "sentence_bert_config.json") or {}).get("max_seq_length")
    return Pooling(modes[0], limit if isinstance(limit, int) and limit > 0 else None)

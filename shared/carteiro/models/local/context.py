"""How many tokens a model can read at once."""

from typing import Any

from torch import nn

_BELIEVED = 1_000_000
"""A tokenizer that does not know its model's limit says 1e30."""
_UNLIMITED = 512
"""For models with relative positions whose limit nothing names, such as XLNet: what they were trained with."""


def most_tokens(model: Any, tokenizer: Any) -> int:
    """The most tokens of one input, special ones included.

    From the table of positions, where the model has one with places that are never used (RoBERTa's begin after the
    padding's); else from the configuration; else from the tokenizer.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding) and name.endswith("position_embeddings") and module.padding_idx is not None:
            return int(module.num_embeddings - module.padding_idx - 1)
    config = model.config.get_text_config(decoder=False)
    for name in ("max_position_embeddings", "max_encoder_position_embeddings", "n_positions"):
        limit = getattr(config, name, None)
        if isinstance(limit, int) and limit > 0:
            return limit
    return int(tokenizer.model_max_length) if tokenizer.model_max_length < _BELIEVED else _UNLIMITED

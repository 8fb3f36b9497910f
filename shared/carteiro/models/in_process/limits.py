"""How many tokens a model reads at once, by its configuration and its tokenizer as Transformers writes them."""

from typing import Any

_NAMES = ("max_position_embeddings", "max_encoder_position_embeddings", "n_positions")
_BELIEVED = 1_000_000
"""A tokenizer that does not know its model's limit says 1e30."""
_UNLIMITED = 512
"""For models with relative positions whose limit nothing names, such as XLNet: what they were trained with."""


def stated_limit(config: Any) -> int | None:
    """The most tokens of one input, special ones included, where the configuration says it."""
    limits = (getattr(config, name, None) for name in _NAMES)
    return next((limit for limit in limits if isinstance(limit, int) and limit > 0), None)


def most_tokens(config: Any, tokenizer: Any) -> int:
    """The same; where the configuration does not say it, what the tokenizer says."""
    believed = int(tokenizer.model_max_length) if tokenizer.model_max_length < _BELIEVED else _UNLIMITED
    return stated_limit(config) or believed

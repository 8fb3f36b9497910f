"""The context length of a model, in tokens, by its configuration and tokenizer in the format of Transformers."""

from typing import Any

_CONFIG_FIELDS = ("max_position_embeddings", "max_encoder_position_embeddings", "n_positions")
_MAX_PLAUSIBLE_TOKENS = 1_000_000
"""Limit of plausible values, in tokens: a tokenizer that does not know its model's limit has 1e30."""
_DEFAULT_CONTEXT_TOKENS = 512
"""Context length in training of models with relative positions and no configured limit, such as XLNet."""


def configured_context_tokens(config: Any) -> int | None:
    """Return the maximum tokens of one input, special tokens included; None if the configuration does not name it."""
    limits = (getattr(config, name, None) for name in _CONFIG_FIELDS)
    return next((limit for limit in limits if isinstance(limit, int) and limit > 0), None)


def max_context_tokens(config: Any, tokenizer: Any) -> int:
    """Return the maximum tokens of one input, by the configuration or, if it names none, by the tokenizer."""
    tokenizer_limit = (
        int(tokenizer.model_max_length)
        if tokenizer.model_max_length < _MAX_PLAUSIBLE_TOKENS
        else _DEFAULT_CONTEXT_TOKENS
    )
    return configured_context_tokens(config) or tokenizer_limit

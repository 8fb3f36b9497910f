"""How many tokens a loaded model can read at once."""

from typing import Any

from torch import nn

from carteiro.models.in_process import limits


def most_tokens(model: Any, tokenizer: Any) -> int:
    """The most tokens of one input, special ones included.

    From the table of positions, where the model has one with places that are never used (RoBERTa's begin after the
    padding's); else from what its configuration or its tokenizer says.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding) and name.endswith("position_embeddings") and module.padding_idx is not None:
            return int(module.num_embeddings - module.padding_idx - 1)
    return limits.most_tokens(model.config.get_text_config(decoder=False), tokenizer)

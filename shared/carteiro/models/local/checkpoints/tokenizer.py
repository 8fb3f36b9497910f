"""Tokenizers of Transformers, without torch."""

import copy
from collections.abc import Callable
from typing import Any


def load_tokenizer(directory: str) -> Any:
    """Return the tokenizer of a directory, without truncation and padding. Raise what Transformers raises."""
    from transformers import AutoTokenizer, logging

    logging.set_verbosity_error()
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
    disable_truncation_and_padding(tokenizer)
    return tokenizer


def disable_truncation_and_padding(tokenizer: Any) -> None:
    """Turn off truncation and padding, which a tokenizer may have been saved with."""
    if (backend := _backend(tokenizer)) is not None:
        backend.no_truncation()
        backend.no_padding()


def token_counter(tokenizer: Any) -> Callable[[str], int]:
    """Return a function that counts the tokens of a text, without special tokens.

    It works on a copy of the tokenizer, because a tokenizer is not thread-safe.
    """
    if (backend := copy.deepcopy(_backend(tokenizer))) is not None:
        return lambda text: len(backend.encode(text, add_special_tokens=False))
    own = copy.deepcopy(tokenizer)
    return lambda text: len(own(text, add_special_tokens=False)["input_ids"])


def _backend(tokenizer: Any) -> Any:
    return getattr(tokenizer, "backend_tokenizer", None)

"""Tokenizers of Transformers, which need no torch."""

import copy
from collections.abc import Callable
from typing import Any

from transformers import AutoTokenizer, logging


def load_tokenizer(directory: str) -> Any:
    """The tokenizer of a directory, which neither cuts nor pads by itself. Raises what Transformers raises."""
    logging.set_verbosity_error()
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
    leave_whole(tokenizer)
    return tokenizer


def leave_whole(tokenizer: Any) -> None:
    """Keep it from cutting or padding by itself, as its training did and as it may have been saved."""
    if (backend := _backend(tokenizer)) is not None:
        backend.no_truncation()
        backend.no_padding()


def counter(tokenizer: Any) -> Callable[[str], int]:
    """What counts the tokens of a text, without special ones, on any thread: a tokenizer serves one at a time."""
    if (backend := copy.deepcopy(_backend(tokenizer))) is not None:
        return lambda text: len(backend.encode(text, add_special_tokens=False))
    own = copy.deepcopy(tokenizer)
    return lambda text: len(own(text, add_special_tokens=False)["input_ids"])


def _backend(tokenizer: Any) -> Any:
    return getattr(tokenizer, "backend_tokenizer", None)

"""How a local model writes, and when it ends early: a stop text was written, or nobody waits any more."""

import threading
from collections.abc import Sequence
from typing import Any

import torch
from transformers import StoppingCriteria

DEFAULT_OUTPUT_TOKENS = 512
"""Most tokens that are written where neither the request nor the model sets a limit."""
COLD = 1e-3
"""Below this temperature, sampling takes the likeliest token anyway, and its division overflows."""


class Abandoned(StoppingCriteria):  # type: ignore[misc]
    """Ends a generation whose caller has gone."""

    def __init__(self, abandoned: threading.Event) -> None:
        self._abandoned = abandoned

    def __call__(self, input_ids: torch.Tensor, _scores: torch.Tensor, **_: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._abandoned.is_set(), device=input_ids.device)


class StopTexts(StoppingCriteria):  # type: ignore[misc]
    """Ends a generation once one of the texts has been written."""

    def __init__(self, tokenizer: Any, prompt_tokens: int, stop: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._prompt_tokens = prompt_tokens
        self._stop = stop
        # A token adds at least one byte, so a text of n bytes ends within the last n tokens and one.
        self._tail = max(len(text.encode()) for text in stop) + 1

    def __call__(self, input_ids: torch.Tensor, _scores: torch.Tensor, **_: Any) -> torch.Tensor:
        written = input_ids[:, self._prompt_tokens :][:, -self._tail :]
        texts = self._tokenizer.batch_decode(written, skip_special_tokens=True)
        return torch.tensor([any(stop in text for stop in self._stop) for text in texts], device=input_ids.device)

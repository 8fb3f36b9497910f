"""What ends a generation early: nobody waits for it any more."""

import threading
from typing import Any

import torch
from transformers import StoppingCriteria


class Abandoned(StoppingCriteria):  # type: ignore[misc]
    """Ends a generation whose caller has gone."""

    def __init__(self, abandoned: threading.Event) -> None:
        self._abandoned = abandoned

    def __call__(self, input_ids: torch.Tensor, _scores: torch.Tensor, **_: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._abandoned.is_set(), device=input_ids.device)

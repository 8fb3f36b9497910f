"""Counts of the tokens that a model reads."""

import inspect
from typing import Any

import pytest
import torch


def count_read_tokens(model: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which each pass of the model appends how many tokens it reads, padding included."""
    forward, counts = model.forward, []

    def counted(ids: torch.Tensor, **more: Any) -> Any:
        counts.append(ids.numel())
        return forward(ids, **more)

    monkeypatch.setattr(counted, "__signature__", inspect.signature(forward), raising=False)
    monkeypatch.setattr(model, "forward", counted)
    return counts

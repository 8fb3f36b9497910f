"""The memory for weights and cached tokens."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.transformers import memory
from carteiro.models.local.transformers.memory import check_memory, free_bytes, max_cached_tokens


def test_model_above_the_free_memory_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    config = GPT2Config(vocab_size=1000, n_positions=8, n_embd=100, n_layer=1, n_head=2)
    check_memory("x", AutoModelForCausalLM, config)
    monkeypatch.setattr(memory, "free_bytes", lambda: 400_000)
    with pytest.raises(ModelUnusable, match=r"x needs 0\.0 GB of memory and 0\.0 GB is free"):
        check_memory("x", AutoModelForCausalLM, config)


def test_container_limit_counts_without_the_file_cache(tmp_path: Path) -> None:
    machine = free_bytes(tmp_path)
    (tmp_path / "memory.current").write_text("700")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    (tmp_path / "memory.max").write_text("1000\n")
    assert free_bytes(tmp_path) == 1000 - 700 + 150
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes(tmp_path) > machine / 2


def test_cached_tokens_are_limited_to_a_share_of_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carteiro.models.local.transformers.memory.free_bytes", lambda: 1_000_000)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_positions=8, n_embd=16, n_layer=3, n_head=2))
    token_bytes = 2 * 3 * 16 * 4  # keys and values, layers, width, bytes of a float32
    assert max_cached_tokens(model) == 250_000 // token_bytes
    assert max_cached_tokens(model.to(torch.bfloat16)) == 250_000 // (token_bytes // 2)

"""Tokens, counted by a vocabulary where there is one, else estimated."""

import pytest
import tiktoken

from carteiro.models.cloud.counting import count_tokens, counter_of


@pytest.fixture
def tiny(monkeypatch):
    """A model whose vocabulary has single bytes, and "th"."""
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"th": 256}
    encoding = tiktoken.Encoding("tiny", pat_str=r"\S+|\s+", mergeable_ranks=ranks, special_tokens={"<|end|>": 257})
    monkeypatch.setitem(tiktoken.model.MODEL_TO_ENCODING, "tiny-model", "tiny")
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, "tiny", encoding)
    return "tiny-model"


def test_a_vocabulary_counts_exactly(tiny):
    assert counter_of(tiny)("the path") == 6


def test_what_looks_like_a_special_token_is_text(tiny):
    assert counter_of(tiny)("<|end|>") == 7


def test_a_model_that_nobody_knows_is_estimated():
    assert counter_of("my-deployment") is count_tokens

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


@pytest.mark.parametrize(
    ("text", "o200k_tokens"),  # counted with OpenAI's o200k_base
    [
        ("", 0),
        ("The council voted on Tuesday to open a night market by the river from May to September.", 18),
        ("A câmara municipal votou na terça-feira a abertura de um mercado noturno junto ao rio.", 20),
        ("市议会周二投票决定从五月到九月在河边开设夜市。", 21),
        ("Городской совет во вторник проголосовал за открытие ночного рынка у реки.", 20),
        ('{"id": 17, "name": "n17", "v": 23.29, "ok": true}', 26),
        ("2026-11-24T12:05:33Z 2026-01-13T09:41:07Z", 27),
        ("😀🎉🚀", 5),
    ],
)
def test_the_estimate_is_rather_high_than_low(text: str, o200k_tokens: int) -> None:
    assert o200k_tokens <= count_tokens(text) <= 4 * o200k_tokens

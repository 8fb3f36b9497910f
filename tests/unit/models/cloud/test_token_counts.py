"""Tokens of a call: counted by a vocabulary, estimated, or read from an answer."""

import pytest
import tiktoken

from carteiro.models.cloud.token_counts import estimate_tokens, load_token_counter, read_usage
from carteiro.schemas import Usage


@pytest.fixture
def tiny(monkeypatch):
    """Provide a model with a vocabulary of single bytes, and "th"."""
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"th": 256}
    encoding = tiktoken.Encoding("tiny", pat_str=r"\S+|\s+", mergeable_ranks=ranks, special_tokens={"<|end|>": 257})
    monkeypatch.setitem(tiktoken.model.MODEL_TO_ENCODING, "tiny-model", "tiny")
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, "tiny", encoding)
    return "tiny-model"


def test_a_vocabulary_counts_exactly(tiny):
    assert load_token_counter(tiny)("the path") == 6


def test_special_token_in_a_text_is_plain_text(tiny):
    assert load_token_counter(tiny)("<|end|>") == 7


def test_tokens_of_an_unknown_model_are_estimated():
    assert load_token_counter("my-deployment") is estimate_tokens


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
def test_estimate_is_high_rather_than_low(text: str, o200k_tokens: int) -> None:
    assert o200k_tokens <= estimate_tokens(text) <= 4 * o200k_tokens


@pytest.mark.parametrize(
    ("raw", "total"),
    [
        ({"input_tokens": 10}, 310),  # Anthropic's own form.
        ({"prompt_tokens": 310}, 310),  # Gateways with OpenAI's form.
        ({"input_tokens": 310, "input_tokens_details": {"cached_tokens": 100}}, 310),
    ],
)
def test_tokens_of_anthropics_cache_are_input(raw, total):
    cache = {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 200, "output_tokens": 5}
    assert read_usage({**raw, **cache}) == Usage(input_tokens=total, output_tokens=5, cached_input_tokens=100)


@pytest.mark.parametrize(
    ("reported", "number"),
    [
        *[(7, 7), (7.2, 8), ("7", 7), ("7.0", 7), (-1, 0), (True, 0), (None, 0), ([7], 0), ("many", 0)],
        *[(10**400, 0), (float("nan"), 0), (float("inf"), 0), ("9" * 5000, 0)],
    ],
)
def test_a_count_is_read_if_it_can_be(reported, number):
    usage = read_usage({"prompt_tokens": 1, "completion_tokens": reported})
    assert usage == Usage(input_tokens=1, output_tokens=number)


def test_usages_add_up() -> None:
    one = Usage(input_tokens=1, output_tokens=2, cached_input_tokens=3, reasoning_tokens=4)
    assert one + one == Usage(input_tokens=2, output_tokens=4, cached_input_tokens=6, reasoning_tokens=8)

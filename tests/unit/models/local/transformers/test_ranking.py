"""Log-probabilities of continuations, with PyTorch."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from carteiro.models.local.text_generation.likelihood import common_prefix_length
from carteiro.models.local.transformers import ranking
from carteiro.models.local.transformers.prefix_cache import PrefixCache
from carteiro.models.local.transformers.ranking import make_ranking_input, rank
from carteiro.schemas import Usage
from tests.unit.models.local.transformers.passes import count_read_tokens


def test_rows_that_differ_only_in_the_last_token_are_read_once() -> None:
    ranking_input = make_ranking_input([1, 2], [[1, 2, 3], [1, 2, 4], [1, 2, 5, 6]])
    assert [len(each) for each in ranking_input.predictions] == [1, 1, 2]
    assert ranking_input.stem == (1, 2)
    assert ranking_input.model_inputs == [(1, 2), (1, 2, 5)]
    assert ranking_input.token_count == 5


def test_token_across_the_border_belongs_to_the_continuation() -> None:
    ranking_input = make_ranking_input([1, 2], [[1, 9, 3]])
    assert [step.token for step in ranking_input.predictions[0]] == [9, 3]
    assert ranking_input.stem == (1,)


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=11, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=200
        )
    ).eval()  # fmt: skip


def expected_ranking(model: Any, prefix: Sequence[int], sequences: Sequence[Sequence[int]]) -> list[float]:
    """Return the log-probabilities by one pass for each sequence; a first token has none."""
    sums = []
    for sequence in sequences:
        with torch.inference_mode():
            steps = torch.log_softmax(model(torch.tensor([sequence])).logits[0], -1)
        own = range(max(1, common_prefix_length(prefix, sequence)), len(sequence))
        sums.append(sum(float(steps[at - 1, sequence[at]]) for at in own))
    return sums


GIVEN: list[tuple[list[int], list[list[int]]]] = [
    ([1, 2], [[1, 2, 3], [1, 2, 5, 6]]),
    ([4], [[4, 4, 4, 4, 4]]),
    ([1, 2], [[1, 7, 3], [1, 2, 3], [1, 2, 3, 4, 4]]),
    ([1, 2, 3], [[1, 2, 3, 4], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]),
    ([1, 2, 3, 4, 5], [[1, 2, 3, 4, 5, 6]]),
    ([9], [[8, 3], [9, 3], [8]]),
]
"""Texts and texts with continuations: of one token and of several, equal, inside each other, with a last token that
changes, and with a first token that changes."""


@pytest.mark.parametrize("max_bytes", [0, 200, 2**20])
@pytest.mark.parametrize("max_pass_tokens", [1, 4096])
def test_batched_ranking_equals_the_sum_of_log_probabilities(model, monkeypatch, max_bytes, max_pass_tokens):
    monkeypatch.setattr(ranking, "_MAX_PASS_TOKENS", max_pass_tokens)
    prefixes = PrefixCache(model, max_bytes)
    inputs = [make_ranking_input(*each) for each in GIVEN]
    together, again = rank(model, prefixes, inputs), [rank(model, prefixes, [each])[0] for each in inputs]
    for given, *rankings in zip(GIVEN, together, again, strict=True):
        for each in rankings:
            assert each.log_probabilities == pytest.approx(expected_ranking(model, *given), abs=1e-4)


def test_text_is_read_once_for_all_continuations_and_its_beginning_once_for_all_texts(model, monkeypatch):
    fixed, labels = [1, 2, 3, 4, 5] * 12, [[6], [7, 8], [7, 9, 10]]
    texts = [[*fixed, number, number + 1, 5] for number in range(6, 10)]
    inputs = [make_ranking_input(text, [[*text, *label] for label in labels]) for text in texts]
    prefixes = PrefixCache(model, 2**20)
    counts = count_read_tokens(model, monkeypatch)
    found = rank(model, prefixes, inputs)
    monkeypatch.undo()
    assert counts == [60, 4 * 3, 8 * 2], "the fixed beginning, the rest of each text, the labels, padded"
    assert found[0].usage == Usage(input_tokens=63 + 64 + 65)
    for each, text in zip(found, texts, strict=True):
        expected = expected_ranking(model, text, [[*text, *label] for label in labels])
        assert each.log_probabilities == pytest.approx(expected, abs=1e-4)


def test_cost_counts_the_text_once_and_known_tokens_little(model):
    text = [1, 2, 3, 4] * 16
    ranking_input = make_ranking_input(text, [[*text, 4, 5], [*text, 6, 7]])
    assert ranking_input.cost(PrefixCache(model, 0)) == 65 * 2
    prefixes = PrefixCache(model, 2**20)
    assert ranking_input.cost(prefixes) == 64 + 2
    rank(model, prefixes, [ranking_input])
    assert ranking_input.cost(prefixes) == 64 // 16 + 2


def test_texts_are_not_kept_after_a_long_beginning_that_is_known(model):
    fixed = [1, 2, 3, 4, 5] * 12
    prefixes = PrefixCache(model, 2**20)
    for number in range(6, 10):
        rank(model, prefixes, [make_ranking_input([*fixed, number], [[*fixed, number, 5], [*fixed, number, 6]])])
        assert prefixes.bytes == 61 * 2 * 8 * 4, "keys and values, width, bytes of a float32"

"""Log-probabilities of continuations, with PyTorch."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from carteiro.models.local.transformers.ranking import make_ranking_input, rank


def test_rows_that_differ_only_in_the_last_token_are_read_once() -> None:
    ranking_input = make_ranking_input([1, 2], [[1, 2, 3], [1, 2, 4], [1, 2, 5, 6]])
    assert ranking_input.continuation_lengths == [1, 1, 2]
    assert ranking_input.model_inputs == [(1, 2), (1, 2, 5)]
    assert ranking_input.token_count == 5


def test_token_across_the_border_belongs_to_the_continuation() -> None:
    assert make_ranking_input([1, 2], [[1, 9, 3]]).continuation_lengths == [2]


def test_batched_ranking_equals_the_sum_of_log_probabilities() -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=11, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=16
        )
    ).eval()  # fmt: skip
    given = [([1, 2], [[1, 2, 3], [1, 2, 5, 6]]), ([4], [[4, 4, 4, 4, 4]])]
    rankings = rank(model, [make_ranking_input(*each) for each in given])
    for (prefix, sequences), ranking in zip(given, rankings, strict=True):
        for sequence, found in zip(sequences, ranking.log_probabilities, strict=True):
            with torch.inference_mode():
                steps = torch.log_softmax(model(torch.tensor([sequence])).logits[0], -1)
            expected = sum(float(steps[at - 1, sequence[at]]) for at in range(len(prefix), len(sequence)))
            assert found == pytest.approx(expected, abs=1e-4)

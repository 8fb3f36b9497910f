"""The forward pass over rows that are padded on the left."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from carteiro.models.local.transformers.forward import compute_logits, is_recurrent, new_cache, pad_left

CPU = torch.device("cpu")
ROWS = [[5, 6, 7, 8], [9, 4]]


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=11, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=16
        )
    ).eval()  # fmt: skip


def test_shorter_rows_are_padded_on_the_left() -> None:
    ids, mask = pad_left(ROWS, CPU)
    assert ids.tolist() == [[5, 6, 7, 8], [0, 0, 9, 4]]
    assert mask.tolist() == [[1, 1, 1, 1], [0, 0, 1, 1]]


def test_padding_does_not_change_the_logits(model: PreTrainedModel) -> None:
    together = compute_logits(model, *pad_left(ROWS, CPU), logits_to_keep=2)
    assert together.shape == (2, 2, 11)
    for number, row in enumerate(ROWS):
        alone = compute_logits(model, *pad_left([row], CPU), logits_to_keep=2)
        assert torch.allclose(together[number], alone[0], atol=1e-5)


def test_cached_tokens_are_not_computed_again(model: PreTrainedModel) -> None:
    ids, mask = pad_left(ROWS, CPU)
    whole = compute_logits(model, ids, mask)
    cache = new_cache(model)
    compute_logits(model, ids[:, :3], mask[:, :3], cache=cache)
    assert torch.allclose(compute_logits(model, ids[:, 3:], mask, cache=cache), whole, atol=1e-5)
    assert cache.get_seq_length() == 4
    assert not is_recurrent(model)

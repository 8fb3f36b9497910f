"""Kept beginnings of prompts: the same logits as without them, in bounded memory."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, MambaConfig, MambaForCausalLM

from carteiro.models.local.transformers.forward import compute_logits, pad_left
from carteiro.models.local.transformers.prefix_cache import PrefixCache

TOKEN_BYTES = 2 * 2 * 8 * 4
"""Keys and values, layers, width, bytes of a float32."""


def make_config(**more: Any) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=11, hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64, **more
    )  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    made = LlamaForCausalLM(make_config()).eval()
    for parameter in made.parameters():
        parameter.data += torch.randn_like(parameter) * 0.3
    return made


def make_cache(model: Any, max_tokens: int = 1000) -> PrefixCache:
    return PrefixCache(model, max_tokens * TOKEN_BYTES)


def read(model: Any, prefixes: PrefixCache, *rows: Sequence[int], keep: int = 1) -> list[int]:
    """Read rows and keep them; check their logits. Return how many tokens of each row were known."""
    prefill = prefixes.prefill(rows, keep=keep)
    logits = compute_logits(model, prefill.ids, prefill.mask, logits_to_keep=keep, cache=prefill.cache)
    expected = compute_logits(model, *pad_left(rows, model.device), logits_to_keep=keep)
    for row, found, right in zip(rows, logits, expected, strict=True):
        last = min(keep, len(row))
        assert torch.allclose(found[-last:], right[-last:], atol=1e-4)
    prefixes.store(rows, prefill.cache)
    return list(prefill.cached_tokens)


def test_prompt_reuses_what_it_has_in_common_with_earlier_ones_to_the_token(model):
    prefixes = make_cache(model)
    assert read(model, prefixes, [1, 2, 3, 4, 5]) == [0]
    assert read(model, prefixes, [1, 2, 3, 9]) == [3]
    assert read(model, prefixes, [1, 2, 3, 9, 9, 4]) == [4]
    assert read(model, prefixes, [1, 2, 3, 4, 5, 6]) == [5]
    assert read(model, prefixes, [1, 7]) == [1]
    assert read(model, prefixes, [7, 1]) == [0]
    assert prefixes.bytes == 12 * TOKEN_BYTES, "what is common is kept once"


def test_last_tokens_are_read_even_if_they_are_known(model):
    prefixes = make_cache(model)
    read(model, prefixes, [1, 2, 3, 4])
    assert read(model, prefixes, [1, 2, 3, 4]) == [3]
    assert read(model, prefixes, [1, 2, 3, 4], keep=3) == [1]
    assert read(model, prefixes, [1, 2], keep=3) == [0]
    assert read(model, prefixes, [1]) == [0]
    assert prefixes.cost([1, 2, 3, 4]) == 1


def test_padded_rows_with_different_beginnings_are_read_together(model):
    prefixes = make_cache(model)
    read(model, prefixes, [1, 2, 3, 4, 5, 6])
    read(model, prefixes, [8, 9])
    assert read(model, prefixes, [1, 2, 3, 4, 5, 7], [8, 9, 1], [5], [1, 2, 3, 4, 5, 6, 2], keep=1) == [5, 2, 0, 6]
    assert read(model, prefixes, [1, 2, 3, 4, 5, 7, 7], [9, 9, 9], keep=2) == [4, 0], "padding is no cheaper"


def test_least_recently_used_beginning_is_dropped_first(model):
    prefixes = make_cache(model, max_tokens=8)
    read(model, prefixes, [1, 2, 3, 4])
    read(model, prefixes, [5, 6, 7, 8])
    read(model, prefixes, [1, 2, 3, 4, 4])
    assert read(model, prefixes, [1, 2, 3, 4, 9]) == [4]
    assert read(model, prefixes, [5, 6, 7, 8, 9]) == [0]
    assert prefixes.bytes <= prefixes.max_bytes


def test_prompt_above_the_bound_is_kept_in_part(model):
    prefixes = make_cache(model, max_tokens=5)
    read(model, prefixes, [1, 2, 3, 4, 5, 6, 7, 8])
    assert read(model, prefixes, [1, 2, 3, 4, 5, 6, 7, 9]) == [5]
    assert prefixes.bytes == prefixes.max_bytes


def test_memory_is_bounded_and_logits_are_right_for_any_prompts(model):
    chance = random.Random(0)
    prefixes = make_cache(model, max_tokens=40)
    reused = 0
    for _ in range(200):
        rows = [[chance.randrange(1, 3) for _ in range(chance.randint(1, 12))] for _ in range(chance.randint(1, 4))]
        reused += sum(read(model, prefixes, *rows, keep=chance.randint(1, 3)))
        assert prefixes.bytes == sum(node.features.untyped_storage().nbytes() for node in prefixes._nodes)
        assert prefixes.bytes <= prefixes.max_bytes
    assert reused > 500


def test_cache_is_empty_without_memory_and_after_a_clear(model):
    without = make_cache(model, max_tokens=0)
    read(model, without, [1, 2, 3])
    assert read(model, without, [1, 2, 3, 4]) == [0]
    prefixes = make_cache(model)
    read(model, prefixes, [1, 2, 3])
    prefixes.clear()
    assert (prefixes.bytes, read(model, prefixes, [1, 2, 3, 4])) == (0, [0])


@pytest.mark.parametrize("rope", ["dynamic", "longrope", "default"])
def test_model_whose_keys_depend_on_the_length_is_left_out(rope):
    options = {"longrope": {"short_factor": [1.0] * 2, "long_factor": [2.0] * 2}, "dynamic": {"factor": 2.0}}
    parameters = {"rope_type": rope, "rope_theta": 10_000.0, **options.get(rope, {})}
    if rope == "longrope":
        parameters["original_max_position_embeddings"] = 32
    config = make_config(rope_parameters=parameters)
    assert make_cache(LlamaForCausalLM(config)).is_enabled == (rope == "default")


def test_recurrent_model_is_left_out():
    config = MambaConfig(vocab_size=11, hidden_size=8, num_hidden_layers=1, state_size=4)
    assert not make_cache(MambaForCausalLM(config)).is_enabled


def test_cache_that_forgets_tokens_is_left_out(model):
    prefixes = make_cache(model)
    config = make_config()
    config.sliding_window = 4
    config.layer_types = ["sliding_attention"] * 2
    cache = DynamicCache(config=config)
    compute_logits(model, *pad_left([[1, 2, 3]], model.device), cache=cache)
    prefixes.store([[1, 2, 3]], cache)
    assert not prefixes.is_enabled
    assert read(model, prefixes, [1, 2, 3, 4]) == [0]


def test_beginning_of_several_rows_is_read_first_if_that_saves_enough(model):
    prefixes = make_cache(model)
    common = [1, 2, 3, 4] * 10
    rows = [[*common, number, 7] for number in range(5, 8)]
    assert prefixes.shared_length(rows) == len(common)
    assert prefixes.shared_length(rows[:2]) == 0, "one row of 40 tokens costs less than another pass"
    assert prefixes.shared_length([*rows, [9]]) == 0
    read(model, prefixes, common)
    assert prefixes.shared_length(rows) == 0, "it is known"


def test_beginning_that_cannot_be_kept_is_not_read_first_again_and_again(model):
    prefixes = make_cache(model, max_tokens=10)
    rows = [[*([1, 2, 3, 4] * 10), number] for number in range(5, 11)]
    read(model, prefixes, *rows)
    assert prefixes.shared_length(rows) == 0


def test_model_has_no_other_models_beginnings(model):
    other = LlamaForCausalLM(make_config()).eval()
    one, two = make_cache(model), make_cache(other)
    read(model, one, [1, 2, 3])
    assert read(other, two, [1, 2, 3, 4]) == [0]

"""The choice of the next token with PyTorch."""

from collections.abc import Sequence

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LogitsProcessor

from carteiro.models.local.transformers.sampling import TorchSampler, make_sampler
from carteiro.models.prompt import Prompt

LOGITS = torch.tensor([0.0, 3.0, 2.9, 1.0])


@pytest.fixture(scope="module")
def model() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(GPT2Config(vocab_size=4, n_positions=8, n_embd=4, n_layer=1, n_head=1))


class ForbidToken(LogitsProcessor):  # type: ignore[misc]
    """Processor that forbids one token and keeps the tokens it was shown."""

    def __init__(self, token: int) -> None:
        self.token = token
        self.shown: list[list[int]] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.shown.append(input_ids[0].tolist())
        return scores.index_fill(1, torch.tensor([self.token]), float("-inf"))


def sampled(temperature: float | None, seed: int | None = None, top_p: float | None = None) -> Prompt:
    return Prompt(messages=[], temperature=temperature, seed=seed, top_p=top_p)


def draw(sampler: TorchSampler, count: int = 20) -> Sequence[int]:
    return [sampler.sample([1], LOGITS) for _ in range(count)]


@pytest.mark.parametrize("temperature", [None, 0, 1e-4])
def test_likeliest_token_is_taken_without_temperature(model: GPT2LMHeadModel, temperature: float | None) -> None:
    sampler = make_sampler(model, 1, sampled(temperature, 1), None)
    assert sampler.is_greedy
    assert draw(sampler, 3) == [1, 1, 1]


def test_seed_repeats_the_samples(model: GPT2LMHeadModel) -> None:
    first, second, other = (draw(make_sampler(model, 1, sampled(2.0, seed), None)) for seed in (1, 1, 2))
    assert first == second != other
    assert len(set(first)) > 1


def test_only_tokens_of_the_probability_are_sampled(model: GPT2LMHeadModel) -> None:
    assert set(draw(make_sampler(model, 1, sampled(2.0, 1, 0.6), None), 200)) == {1, 2}


def test_grammar_is_applied_to_the_tokens_so_far(model: GPT2LMHeadModel) -> None:
    grammar = ForbidToken(1)
    sampler = make_sampler(model, 2, sampled(None), grammar)
    assert not sampler.is_greedy
    assert sampler.sample([3, 0], LOGITS) == 2
    assert grammar.shown == [[3, 0]]

"""The choice of the next token with numpy."""

import numpy
import pytest

from carteiro.models.local.tensorflow.sampling import NumpySampler

LOGITS = numpy.array([0.0, 3.0, 2.9, 1.0], dtype="float32")


@pytest.mark.parametrize("temperature", [None, 0, 1e-4])
def test_likeliest_token_is_taken_without_temperature(temperature: float | None) -> None:
    sampler = NumpySampler(temperature, None)
    assert sampler.is_greedy
    assert sampler.sample([], LOGITS) == 1


def test_seed_repeats_the_samples() -> None:
    samplers = [NumpySampler(2.0, seed) for seed in (-1, -1, 2)]
    first, second, other = ([sampler.sample([], LOGITS) for _ in range(20)] for sampler in samplers)
    assert first == second != other
    assert not samplers[0].is_greedy


def test_only_tokens_of_the_probability_are_sampled() -> None:
    sampler = NumpySampler(2.0, 1, top_p=0.6)
    assert {sampler.sample([], LOGITS) for _ in range(200)} == {1, 2}


def test_only_the_likeliest_tokens_are_sampled() -> None:
    logits = numpy.arange(1000, dtype="float32")
    sampler = NumpySampler(1000.0, 1)
    assert all(sampler.sample([], logits) >= 950 for _ in range(200))

"""Defaults of generation."""

import pytest

from carteiro.models.local.text_generation.defaults import is_sampled


@pytest.mark.parametrize(
    ("temperature", "expected"), [(None, False), (0, False), (1e-3, False), (0.1, True), (2, True)]
)
def test_tokens_are_sampled_only_above_the_greedy_temperature(temperature: float | None, expected: bool) -> None:
    assert is_sampled(temperature) is expected

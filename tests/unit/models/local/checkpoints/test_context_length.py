"""The context length of a configuration and a tokenizer."""

from types import SimpleNamespace
from typing import Any

import pytest

from carteiro.models.local.checkpoints.context_length import configured_context_tokens, max_context_tokens


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_position_embeddings": 64}, 64),
        ({"n_positions": 32}, 32),
        ({"max_position_embeddings": -1, "n_positions": 32}, 32),
        ({"max_position_embeddings": None}, None),
        ({}, None),
    ],
)
def test_first_plausible_field_of_the_configuration_counts(fields: dict[str, Any], expected: int | None) -> None:
    assert configured_context_tokens(SimpleNamespace(**fields)) == expected


@pytest.mark.parametrize(
    ("fields", "tokenizer_limit", "expected"),
    [({"n_positions": 32}, 16, 32), ({}, 16, 16), ({}, 10**30, 512)],
)
def test_tokenizer_counts_if_the_configuration_has_no_limit(
    fields: dict[str, Any], tokenizer_limit: int, expected: int
) -> None:
    tokenizer = SimpleNamespace(model_max_length=tokenizer_limit)
    assert max_context_tokens(SimpleNamespace(**fields), tokenizer) == expected

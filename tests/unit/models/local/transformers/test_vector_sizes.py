"""Sizes of vectors, by a model's files."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from carteiro.models.errors import Unsupported
from carteiro.models.local.transformers.vector_sizes import VectorSizes, read_sizes


@pytest.mark.parametrize(
    ("config", "stored", "expected"),
    [
        ({}, {}, VectorSizes(64, 64)),
        ({}, {"truncate_dim": 16}, VectorSizes(64, 16)),
        ({}, {"truncate_dim": 1000}, VectorSizes(64, 64)),
        ({"is_matryoshka": True}, {}, VectorSizes(64, 64, True)),
        ({"matryoshka_dimensions": [32, 16]}, {}, VectorSizes(64, 64, True, frozenset({16, 32}))),
        ({"matryoshka_dimensions": "all"}, [], VectorSizes(64, 64)),
    ],
)
def test_sizes_are_read_from_the_files(tmp_path: Path, config: Any, stored: Any, expected: VectorSizes) -> None:
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(stored))
    assert read_sizes(str(tmp_path), SimpleNamespace(hidden_size=64, **config)) == expected


@pytest.mark.parametrize(
    ("sizes", "dimensions", "expected"),
    [
        (VectorSizes(64, 64), None, 64),
        (VectorSizes(64, 64), 64, 64),
        (VectorSizes(64, 16), None, 16),
        (VectorSizes(64, 16), 64, 64),
        (VectorSizes(64, 64, True), 5, 5),
        (VectorSizes(64, 64, True, frozenset({16})), 16, 16),
    ],
)
def test_size_is_chosen(sizes: VectorSizes, dimensions: int | None, expected: int) -> None:
    assert sizes.choose("local:x", dimensions) == expected


@pytest.mark.parametrize(
    ("sizes", "dimensions", "message"),
    [
        (VectorSizes(64, 64), 32, "local:x has only vectors of 64 dimensions: leave out dimensions"),
        (VectorSizes(64, 64), 65, "only vectors of 64"),
        (VectorSizes(64, 64, True), 65, "at most 64"),
        (VectorSizes(64, 64, True, frozenset({32, 16})), 20, "no vectors of 20 dimensions: choose one of 16, 32"),
    ],
)
def test_size_that_the_model_lacks_is_rejected(sizes: VectorSizes, dimensions: int, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        sizes.choose("local:x", dimensions)

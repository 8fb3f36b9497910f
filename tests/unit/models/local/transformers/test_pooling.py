"""Pooling of token vectors, by the files of Sentence Transformers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.transformers.pooling import Pooling, PoolingMode, read_pooling

TRANSFORMER = {"type": "sentence_transformers.models.Transformer", "path": ""}
POOLING = {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}


def save(directory: Path, modules: Any, pooling: Any, limit: Any = None) -> str:
    (directory / "1_Pooling").mkdir()
    (directory / "modules.json").write_text(json.dumps(modules))
    (directory / "1_Pooling/config.json").write_text(json.dumps(pooling))
    if limit is not None:
        (directory / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": limit}))
    return str(directory)


@pytest.mark.parametrize(
    ("pooling", "limit", "expected"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, 256, Pooling("mean", 256)),
        ({"pooling_mode_cls_token": True}, 0, Pooling("cls", None)),
        ({"pooling_mode": "cls"}, None, Pooling("cls", None)),
    ],
)
def test_pooling_is_read_from_the_files(tmp_path: Path, pooling: Any, limit: Any, expected: Pooling) -> None:
    assert read_pooling(save(tmp_path, [TRANSFORMER, POOLING], pooling, limit)) == expected


@pytest.mark.parametrize(
    ("modules", "pooling", "message"),
    [
        ({}, {}, "does not say how its vectors are made"),
        ([TRANSFORMER, {"type": "sentence_transformers.models.Dense"}], {}, "by Dense, which"),
        ([TRANSFORMER, POOLING], {"pooling_mode": "mean", "include_prompt": False}, "leaves its prompts out"),
        ([TRANSFORMER, POOLING], {"pooling_mode_max_tokens": True}, "mean and cls only"),
        ([TRANSFORMER, POOLING], {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, "mean and cls"),
    ],
)
def test_unknown_pooling_is_rejected(tmp_path: Path, modules: Any, pooling: Any, message: str) -> None:
    with pytest.raises(ModelUnusable, match=message):
        read_pooling(save(tmp_path, modules, pooling))


@pytest.mark.parametrize("padding", ["left", "right"])
def test_padding_does_not_count(padding: str) -> None:
    hidden = torch.tensor([[[3.0, 4.0], [3.0, 4.0]], [[0.0, 2.0], [9.0, 9.0]]])
    mask = torch.tensor([[1, 1], [1, 0]])
    if padding == "left":
        hidden, mask = hidden.flip(1), mask.flip(1)
    modes: tuple[PoolingMode, ...] = ("mean", "cls")
    for mode in modes:
        vectors = Pooling(mode, None).apply(hidden, mask)
        assert torch.allclose(vectors, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))

"""Configuration files without Transformers."""

from pathlib import Path

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.checkpoints.config_files import read_config, read_json


def test_missing_file_is_empty(tmp_path: Path) -> None:
    assert read_json(tmp_path, "generation_config.json") == {}


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff"])
def test_damaged_file_is_rejected_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ModelUnusable, match=r"config\.json cannot be read"):
        read_config(tmp_path)


def test_missing_and_null_fields_have_the_defaults_of_transformers(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert", "id2label": null, "hidden_size": 8}')
    config = read_config(tmp_path)
    assert (config.model_type, config.hidden_size, config.architectures) == ("bert", 8, None)
    assert config.id2label == {"0": "LABEL_0", "1": "LABEL_1"}

"""The place of a model's files."""

from pathlib import Path

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.checkpoints.checkpoint import PACKAGED_MODEL, ModelCheckpoint, find_checkpoint


def test_directory_with_a_configuration_is_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert find_checkpoint(str(tmp_path)) == ModelCheckpoint(str(tmp_path))
    assert find_checkpoint(str(tmp_path)).gguf_path is None


def test_gguf_file_is_found_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    file.touch()
    assert find_checkpoint(str(file)) == ModelCheckpoint(str(tmp_path), "tiny.gguf")
    packaged = find_checkpoint(PACKAGED_MODEL)
    assert find_checkpoint(str(packaged.gguf_path)) == packaged


def test_name_with_one_slash_is_on_the_hub() -> None:
    assert find_checkpoint("google-t5/t5-small") == ModelCheckpoint("google-t5/t5-small")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/absent", "there is no directory"),
        ("./absent", "there is no directory"),
        ("a/b/c", "there is no directory"),
        ("/absent.gguf", "there is no file"),
        ("~no-such-user/model", "no-such-user"),
    ],
)
def test_missing_path_is_rejected(source: str, message: str) -> None:
    with pytest.raises(ModelUnusable, match=message):
        find_checkpoint(source)


def test_directory_without_a_configuration_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"has no config\.json"):
        find_checkpoint(str(tmp_path))

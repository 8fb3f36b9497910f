"""What a directory of Transformers says of its model, read without Transformers."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from carteiro.models.failures import ModelUnusable
from carteiro.models.in_process.labels import UNNAMED

_ABSENT: dict[str, Any] = {"model_type": None, "architectures": None, "problem_type": None, "id2label": UNNAMED}
"""What Transformers takes for said where a configuration does not say it."""


def read_json(directory: Path, name: str) -> dict[str, Any]:
    """The object in one of its files; empty where there is no such file. Raises `ModelUnusable` for a damaged one."""
    file = directory / name
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ModelUnusable(f"{file} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise ModelUnusable(f"{file} cannot be read: it holds no object")
    return found


def read_config(directory: Path) -> SimpleNamespace:
    """Its `config.json`; what it does not name is as Transformers takes it. Raises `ModelUnusable`."""
    said = {name: value for name, value in read_json(directory, "config.json").items() if value is not None}
    return SimpleNamespace(**(_ABSENT | said))

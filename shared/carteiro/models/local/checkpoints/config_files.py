"""Configuration files of a model directory in the format of Transformers, read without Transformers."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.checkpoints.labels import DEFAULT_LABELS

_CONFIG_DEFAULTS: dict[str, Any] = {
    "model_type": None,
    "architectures": None,
    "problem_type": None,
    "id2label": DEFAULT_LABELS,
}
"""Values that Transformers assumes for missing fields of a configuration."""


def read_json(directory: Path, name: str) -> dict[str, Any]:
    """Return the object in a JSON file of the directory; empty if the file does not exist.

    Raise `ModelUnusable` if the file is damaged.
    """
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
    """Return `config.json` with the defaults of Transformers. Raise `ModelUnusable` if the file is damaged."""
    fields = {name: value for name, value in read_json(directory, "config.json").items() if value is not None}
    return SimpleNamespace(**(_CONFIG_DEFAULTS | fields))

"""What a directory of Transformers says of its model, read without Transformers."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from carteiro.models.failures import ModelUnusable

_BELIEVED = 1_000_000
_UNLIMITED = 512
_UNNAMED = re.compile(r"LABEL_\d+")
"""What Transformers calls a label that nobody has named."""
_ABSENT: dict[str, Any] = dict.fromkeys(("model_type", "architectures", "problem_type"))
_LIMITS = ("max_position_embeddings", "max_encoder_position_embeddings", "n_positions")


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
    """Its `config.json`, with None for a type that it does not name. Raises `ModelUnusable`."""
    return SimpleNamespace(**(_ABSENT | read_json(directory, "config.json")))


def stated_limit(config: Any) -> int | None:
    """The most tokens of one input, special ones included, as the configuration says it."""
    limits = (getattr(config, name, None) for name in _LIMITS)
    return next((limit for limit in limits if isinstance(limit, int) and limit > 0), None)


def most_tokens(config: Any, tokenizer: Any) -> int:
    """The same, by a tokenizer of Transformers where the configuration does not say it."""
    believed = int(tokenizer.model_max_length) if tokenizer.model_max_length < _BELIEVED else _UNLIMITED
    return stated_limit(config) or believed


def label_names(name: str, config: Any) -> list[str]:
    """What a classifier calls its labels, in their order. Raises `ModelUnusable` where it does not say."""
    named = getattr(config, "id2label", None) or {}
    labels = [str(named[number]) for number in sorted(named, key=int)]
    if len(labels) < 2 or getattr(config, "problem_type", None) == "regression":
        raise ModelUnusable(f"{name} gives a number or unnamed labels: name two labels or more in its config.json")
    if all(_UNNAMED.fullmatch(label) for label in labels):
        raise ModelUnusable(
            f"{name} does not say what its labels mean ({', '.join(labels)}): name them under id2label in its "
            "config.json"
        )
    return labels

"""What a classifier calls its labels, by its configuration as Transformers writes it."""

import re
from collections.abc import Mapping
from typing import Any

from carteiro.models.failures import ModelUnusable

UNNAMED: Mapping[str, str] = {"0": "LABEL_0", "1": "LABEL_1"}
"""The labels of a configuration that tells of none."""
_NO_NAME = re.compile(r"LABEL_\d+")
"""What Transformers calls a label that nobody has named."""


def label_names(name: str, config: Any) -> list[str]:
    """The labels in their order. `name` is what a failure calls the model.

    Raises `ModelUnusable` where there are none (the model gives a number), or where nobody has named them.
    """
    labels = [str(config.id2label[number]) for number in sorted(config.id2label, key=int)]
    if len(labels) < 2 or config.problem_type == "regression":
        raise ModelUnusable(f"{name} gives a number, not labels: take a model with two labels or more")
    if all(_NO_NAME.fullmatch(label) for label in labels):
        raise ModelUnusable(
            f"{name} does not say what its labels mean ({', '.join(labels)}): name them under id2label in its "
            "config.json"
        )
    return labels

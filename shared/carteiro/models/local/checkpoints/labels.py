"""The labels of a classifier, by its configuration in the format of Transformers."""

import re
from collections.abc import Mapping
from typing import Any

from carteiro.models.errors import ModelUnusable

DEFAULT_LABELS: Mapping[str, str] = {"0": "LABEL_0", "1": "LABEL_1"}
"""Labels of a configuration that names none."""
_PLACEHOLDER_LABEL = re.compile(r"LABEL_\d+")
"""Default names of Transformers for labels without a name."""


def label_names(name: str, config: Any) -> list[str]:
    """Return the labels in their order. `name` is the model in an error message.

    Raise `ModelUnusable` if there are no labels (the model gives a number), or if all have default names.
    """
    labels = [str(config.id2label[number]) for number in sorted(config.id2label, key=int)]
    if len(labels) < 2 or config.problem_type == "regression":
        raise ModelUnusable(f"{name} gives a number, not labels: take a model with two labels or more")
    if all(_PLACEHOLDER_LABEL.fullmatch(label) for label in labels):
        raise ModelUnusable(
            f"{name} does not say what its labels mean ({', '.join(labels)}): name them under id2label in its "
            "config.json"
        )
    return labels

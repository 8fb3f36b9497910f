"""Parser of scores in the JSON of a model: a number for each label, or only the best label."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from carteiro.models.errors import InvalidOutput
from carteiro.models.json_output import parse_json_output

_LABEL_KEYS = ("label", "sentiment", "class", "category", "answer", "result")
_SCORE_KEYS = ("score", "confidence", "probability")
_SUM_TOLERANCE = 0.02
"""Relative tolerance of a sum of 1 or 100, from which labels without a score get 0."""


def parse_scores(labels: Sequence[str], text: str) -> dict[str, float]:
    """Return the score of each label, with a sum of 1. Raise `InvalidOutput` if the text has no usable scores."""
    by_key = {_normalise(label): label for label in labels}
    if (label := by_key.get(_normalise(text.strip(" \t\r\n\"'*`.!")))) is not None:
        return _single_label_scores(label, labels)

    def check(data: Any) -> dict[str, float]:
        found = _find_scores(data, labels, by_key)
        if found is None:
            raise InvalidOutput("the model gave no score for each label")
        total = sum(found.values())
        if not 0 < total < math.inf:
            raise InvalidOutput("the model found that no label fits")
        return {label: found[label] / total for label in labels}

    return parse_json_output(text, check)[0]


def _normalise(label: Any) -> str:
    return str(label).strip().casefold()


def _single_label_scores(label: str, labels: Sequence[str], score: float = 1.0) -> dict[str, float]:
    """Return the scores for one known label: the other labels share the rest equally."""
    rest = (1 - score) / max(len(labels) - 1, 1)
    return {each: score if each == label else rest for each in labels}


def _find_scores(data: Any, labels: Sequence[str], by_key: Mapping[str, str]) -> dict[str, float] | None:
    if isinstance(data, list):
        data = _merge_items(data)
    if not isinstance(data, Mapping):
        label = by_key.get(_normalise(data)) if isinstance(data, str) else None
        return None if label is None else _single_label_scores(label, labels)
    by_name = {_normalise(name): value for name, value in data.items()} if len(by_key) == len(labels) else {}
    found = {label: data[label] for label in labels if label in data}
    found |= {by_key[name]: value for name, value in by_name.items() if name in by_key and by_key[name] not in found}
    if not found:
        return _find_nested_scores(data, labels, by_key)
    numbers = {label: _parse_number(value) for label, value in found.items()}
    known = {label: number for label, number in numbers.items() if number is not None}
    if len(known) < len(numbers):
        return None
    total = sum(known.values())
    if len(known) < len(labels) and not any(math.isclose(total, whole, rel_tol=_SUM_TOLERANCE) for whole in (1, 100)):
        return None
    return dict.fromkeys(labels, 0.0) | known


def _find_nested_scores(
    data: Mapping[str, Any], labels: Sequence[str], by_key: Mapping[str, str]
) -> dict[str, float] | None:
    """Return the scores of data whose keys are not the labels: under an inner key, or of a single label."""
    for inner in data.values():
        if isinstance(inner, Mapping | list) and (found := _find_scores(inner, labels, by_key)):
            return found
    by_name = {_normalise(name): value for name, value in data.items()}
    chosen = [by_name[name] for name in _LABEL_KEYS if isinstance(by_name.get(name), str)]
    if not chosen and len(by_name) == 1:
        chosen = list(by_name.values())
    label = by_key.get(_normalise(chosen[0])) if len(chosen) == 1 else None
    if label is None:
        return None
    score = next(
        (number for name in _SCORE_KEYS if (number := _parse_number(by_name.get(name), missing=None)) is not None), 1.0
    )
    score = score / 100 if 1 < score <= 100 else score
    # A score below the scores of the other labels would contradict the choice of the label.
    return _single_label_scores(label, labels, score if 1 / len(labels) < score <= 1 else 1.0)


def _merge_items(data: Sequence[Any]) -> dict[str, Any]:
    """Return one mapping for a list such as `[{"positive": 0.9}, {"label": "negative", "score": 0.1}]`."""
    merged: dict[str, Any] = {}
    for item in data:
        if not isinstance(item, Mapping):
            return {}
        by_name = {_normalise(name): value for name, value in item.items()}
        label = next((by_name[name] for name in _LABEL_KEYS if isinstance(by_name.get(name), str)), None)
        score = next((by_name[name] for name in _SCORE_KEYS if name in by_name), None)
        merged |= item if label is None or score is None else {label: score}
    return merged


def _parse_number(value: Any, missing: float | None = 0.0) -> float | None:
    """Return the value of a score, at least 0; "90%" is 0.9. Return None if the score is not a number."""
    if value is None:
        return missing
    if not isinstance(value, int | float | str):
        return None
    try:
        text = str(float(value)) if isinstance(value, int | float) else value.strip()
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except (ValueError, OverflowError):
        return None
    return max(number, 0.0) if math.isfinite(number) else None

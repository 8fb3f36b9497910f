"""Scores of labels from 0 to 1 by their margins, and the labels that fit."""

import math
from collections.abc import Mapping, Sequence

from carteiro.schemas.classify import ClassifyRequest, ScoreType

_MIN_SCORE = 0.5
"""Smallest score of a label that fits, if labels are judged independently."""


def margin_scores(request: ClassifyRequest, margins: Sequence[float]) -> dict[str, float]:
    """Return the score of each label by its margin, a difference of logarithms; 0 stands for "not known".

    With `multiple` each score is the logistic function of the margin. Otherwise scores are probabilities of the labels,
    and with `allow_none` also of "no label", whose margin is 0.
    """
    names = [label.name for label in request.descriptions]
    if request.multiple:
        return {name: _logistic(margin) for name, margin in zip(names, margins, strict=True)}
    others = [0.0] if request.allow_none else []
    highest = max([*margins, *others])
    weights = [math.exp(margin - highest) for margin in (*margins, *others)]
    return {name: weight / sum(weights) for name, weight in zip(names, weights, strict=False)}


def select_labels(request: ClassifyRequest, scores: Mapping[str, float], score_type: ScoreType) -> list[str]:
    """Return the labels that fit, the best first.

    A chat model has left out labels that do not fit: their score is 0. Otherwise the rest to a sum of 1 is the score of
    "no label", if that is allowed.
    """
    ranked = sorted(scores, key=lambda name: -scores[name])
    if request.multiple:
        return [name for name in ranked if scores[name] >= _MIN_SCORE]
    none = 1 - sum(scores.values()) if request.allow_none and score_type != "stated" else 0.0
    return ranked[:1] if scores[ranked[0]] > max(none, 0.0) else []


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))

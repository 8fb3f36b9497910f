"""Scores by margins, and the labels that fit."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.schemas.classify import ClassifyRequest, ScoreType
from services.classify.scores import margin_scores, select_labels


def request(*names: str, **fields: Any) -> ClassifyRequest:
    return ClassifyRequest.model_validate({"text": "x", "labels": list(names), **fields})


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=5), st.booleans(), st.booleans())
def test_scores_are_probabilities_in_the_order_of_the_margins(
    margins: list[float], multiple: bool, allow_none: bool
) -> None:
    names = [f"l{number}" for number in range(len(margins))]
    asked = request(*names, multiple=multiple, allow_none=allow_none)
    scores = margin_scores(asked, margins)
    assert all(0 <= score <= 1 for score in scores.values())
    assert max(scores.values()) == scores[names[margins.index(max(margins))]]
    if not multiple:
        total = sum(scores.values())
        assert total <= 1 + 1e-9 if allow_none else math.isclose(total, 1)
    if not (multiple or allow_none):
        assert select_labels(asked, scores, "similarity")


@pytest.mark.parametrize(
    ("margins", "fields", "expected"),
    [
        ([2.0, 1.0, -1.0], {}, ["a"]),
        ([-2.0, -1.0, -3.0], {}, ["b"]),
        ([-2.0, -1.0, -3.0], {"allow_none": True}, []),
        ([-2.0, 1.0, -3.0], {"allow_none": True}, ["b"]),
        ([0.5, 1.0, -3.0], {"multiple": True}, ["b", "a"]),
        ([-1.0, -1.0, -3.0], {"multiple": True}, []),
    ],
)
def test_margin_above_zero_fits(margins: list[float], fields: dict[str, bool], expected: list[str]) -> None:
    asked = request("a", "b", "c", **fields)
    assert select_labels(asked, margin_scores(asked, margins), "entailment") == expected


@pytest.mark.parametrize(("score_type", "expected"), [("stated", ["a"]), ("probability", [])])
def test_low_score_of_a_stated_label_is_no_vote_for_none(score_type: ScoreType, expected: list[str]) -> None:
    assert select_labels(request("a", "b", allow_none=True), {"a": 0.3, "b": 0.0}, score_type) == expected

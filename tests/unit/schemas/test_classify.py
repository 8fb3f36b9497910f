"""Schemas of classify."""

from typing import Any

import pytest
from pydantic import ValidationError

from carteiro.schemas.classify import ClassifyRequest, ClassifyResult


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"labels": ["a", {"name": "a"}]}, "the same label stands twice"),
        ({"labels": ["a", " a\n"]}, "the same label stands twice"),
        ({"labels": ["caf\u00e9", {"name": "cafe\u0301"}]}, "the same label stands twice"),
        ({"labels": ["a"]}, "needs two or more, or allow_none or multiple"),
        ({"labels": [{"name": f"l{n}", "examples": ["x"] * 50} for n in range(11)]}, "more than 500 examples"),
        ({"labels": ["a", {"description": "no name"}]}, "Field required"),
        ({"labels": []}, "at least 1 item"),
    ],
)
def test_labels_are_checked(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ClassifyRequest.model_validate({"text": "x", **fields})


def test_names_and_descriptions_have_one_form() -> None:
    request = ClassifyRequest.model_validate({"text": "x", "labels": ["a", {"name": "b", "examples": ["y"]}]})
    assert [(each.name, each.examples) for each in request.descriptions] == [("a", []), ("b", ["y"])]
    assert ClassifyRequest.model_validate({"text": "x", "labels": ["a"], "multiple": True}).multiple


def test_labels_and_best_scores_are_shown() -> None:
    scores = {"a": 0.1, "b": 0.8}
    shown = ClassifyResult(label="b", labels=["b"], scores=scores, score_type="stated").render()
    assert shown == "b  (b 80%, a 10%)"
    assert ClassifyResult(labels=[], scores={"a": 0.1}, score_type="stated").render() == "(none)  (a 10%)"

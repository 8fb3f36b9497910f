"""A classifier's labels as those of a request."""

import pytest

from carteiro.models.errors import Unsupported
from carteiro.tasks.classifier_labels import find_probabilities, select_scores

PROBABILITIES = {"POS": 0.6, "NEG": 0.3, "NEU": 0.1}


def test_synonyms_are_the_usual_labels() -> None:
    expected = {"positive": 0.6, "negative": 0.3, "neutral": 0.1}
    assert select_scores("m", PROBABILITIES, None) == pytest.approx(expected)


def test_scores_of_some_labels_sum_to_one() -> None:
    assert select_scores("m", PROBABILITIES, ["negative", "Positive"]) == pytest.approx(
        {"negative": 1 / 3, "Positive": 2 / 3}
    )


def test_labels_without_probability_are_equally_likely() -> None:
    assert select_scores("m", {"a": 0.0, "b": 0.0, "c": 1.0}, ["a", "b"]) == {"a": 0.5, "b": 0.5}


def test_label_that_the_classifier_lacks_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="m has no label 'angry'; it has POS, NEG, NEU"):
        select_scores("m", PROBABILITIES, ["positive", "angry"])


def test_probabilities_are_those_of_the_model() -> None:
    assert find_probabilities("m", PROBABILITIES, ["negative"]) == {"negative": 0.3}
    with pytest.raises(Unsupported, match="has no label 'x'"):
        find_probabilities("m", PROBABILITIES, ["x"])

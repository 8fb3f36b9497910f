"""The labels of a classifier."""

from types import SimpleNamespace

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.checkpoints.labels import label_names


def config(*labels: str, problem_type: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(
        id2label={str(number): label for number, label in enumerate(labels)}, problem_type=problem_type
    )


def test_labels_are_in_the_order_of_their_numbers() -> None:
    names = [f"star {number}" for number in range(12)]
    assert label_names("local:x", config(*names)) == names


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (config("good"), "gives a number"),
        (config("good", "bad", problem_type="regression"), "gives a number"),
        (config("LABEL_0", "LABEL_1"), "does not say what its labels mean"),
    ],
)
def test_labels_without_a_meaning_are_rejected(given: SimpleNamespace, message: str) -> None:
    with pytest.raises(ModelUnusable, match=f"local:x {message}"):
        label_names("local:x", given)


def test_single_label_with_a_name_is_enough() -> None:
    assert label_names("local:x", config("LABEL_0", "spam")) == ["LABEL_0", "spam"]

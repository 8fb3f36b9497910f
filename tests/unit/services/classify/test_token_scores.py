"""Likelihoods of labels by the tokens of a completion."""

import math

import pytest

from carteiro.models.results import TokenChoice
from services.classify.token_scores import likelihoods

NAMES = ["billing", "defect", "delivery", "müde"]


def tokens(*texts: str, at: int, **alternatives: float) -> list[TokenChoice]:
    likely = {name: math.log(share) for name, share in alternatives.items()}
    return [TokenChoice(text, likely if number == at else {}) for number, text in enumerate(texts)]


def test_alternatives_to_the_first_token_of_the_label_are_compared() -> None:
    given = tokens(
        '{"labels": [{"', "label", '": "', "def", "ect", '"}]}', at=3, **{"def": 0.6, "bill": 0.2, "Hm": 0.2}
    )
    assert likelihoods(given, NAMES) == pytest.approx({"billing": 0.25, "defect": 0.75, "delivery": 0, "müde": 0})


def test_token_may_begin_before_the_label_or_end_after_it() -> None:
    given = tokens(
        '{"label"', ': "def', 'ect"}', at=1, **{': "def': 0.5, ': "billing"': 0.5, ': "bill"': 0.1, "bill": 1}
    )
    found = likelihoods(given, NAMES)
    assert found
    assert (found["defect"], found["billing"]) == pytest.approx((0.5, 0.5))


def test_escaped_label_is_known() -> None:
    found = likelihoods(tokens('{"label": "', "m\\u00fc", 'de"}', at=1, **{"m\\u00fc": 0.9}), NAMES)
    assert found
    assert found["müde"] == 1


@pytest.mark.parametrize(
    "given",
    [
        [],
        tokens('{"labels": []}', at=0),
        tokens('{"label": "', "de", "fect", at=1, de=0.9, bill=0.1),
        tokens('{"label": "', "def", at=1),
    ],
)
def test_tokens_that_do_not_tell_give_no_scores(given: list[TokenChoice]) -> None:
    assert likelihoods(given, NAMES) is None

"""The sentiment of a text from its parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.language.sentiment import LABELS, weighted_mean

PARTS = st.lists(st.tuples(st.fixed_dictionaries({label: st.floats(0, 1) for label in LABELS}), st.integers(0, 10**6)))


@given(PARTS)
def test_probabilities_have_the_sum_of_one(parts: list[tuple[dict[str, float], int]]) -> None:
    assert sum(weighted_mean(parts).values()) == pytest.approx(1)


def test_longer_part_counts_more() -> None:
    good = {"positive": 1.0, "negative": 0.0, "neutral": 0.0}
    bad = {"positive": 0.0, "negative": 1.0, "neutral": 0.0}
    assert weighted_mean([(good, 300), (bad, 100)]) == {"positive": 0.75, "negative": 0.25, "neutral": 0.0}

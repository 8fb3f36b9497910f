"""Vector arithmetic."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.text.vectors import cosine, mean_direction

COORDINATE = st.floats(-1, 1).filter(lambda value: value == 0 or abs(value) > 1e-3)
VECTORS = st.lists(st.tuples(COORDINATE, COORDINATE, COORDINATE), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("left", "right", "expected"), [((1, 0), (1, 0), 1), ((1, 0), (0, 1), 0), ((0.6, 0.8), (-0.6, -0.8), -1)]
)
def test_cosine_of_vectors_of_length_1(left: tuple[float, ...], right: tuple[float, ...], expected: float) -> None:
    assert cosine(left, right) == pytest.approx(expected)


@given(vectors=VECTORS)
def test_mean_has_length_1_or_0_in_any_order(vectors: list[tuple[float, ...]]) -> None:
    mean = mean_direction(vectors)
    length = math.hypot(*mean)
    assert length == pytest.approx(1) or length == 0
    assert mean_direction(vectors[::-1]) == mean


@given(vector=st.tuples(COORDINATE, COORDINATE).filter(any), copies=st.integers(1, 5))
def test_mean_of_equal_vectors_has_their_direction(vector: tuple[float, ...], copies: int) -> None:
    length = math.hypot(*vector)
    assert mean_direction([vector] * copies) == pytest.approx([value / length for value in vector])


def test_vectors_that_cancel_out_have_no_direction() -> None:
    assert mean_direction([(1, 0), (-1, 0)]) == (0, 0)

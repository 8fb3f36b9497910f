import json
from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jmespath.exceptions import JMESPathTypeError

from carteiro.enrichment.expression_growth import growth


def growth_of(text: str) -> int:
    return growth(jmespath.compile(text).parsed)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("body.text", 1),
        ("{text: body.text, target: 'pt'}", 2),
        ("join('\\n', lines[?note].note)", 2),
        ("lines[?note] | [0].note", 1),
        ("lines[*].{a: x, b: y, c: @}", 3),
        ("[@, @] | [@, @] | [@, @]", 8),
        ("to_string(to_string(@))", 4),
        ("map(&[@, @], map(&[@, @], lines))", 4),
        ("[@, @][].[@, @][].[@, @]", 8),
    ],
)
def test_growth_is_the_number_of_copies(text: str, expected: int) -> None:
    assert growth_of(text) == expected


def test_growth_of_a_long_pipe_is_computed_at_once() -> None:
    assert growth_of(" | ".join(["[@, @]"] * 60)) == 2**60


PARTS = st.sampled_from(["[@, @]", "[0]", "[]", "a", "{a: @, b: a}", "[*].a", "to_string(@)", "map(&[@, @], [@])", "@"])


@given(st.lists(PARTS, min_size=1, max_size=5))
def test_no_value_grows_more_than_that(parts: list[str]) -> None:
    text, event = " | ".join(parts), {"a": [["\\\\\\\\\\\\\\\\"] * 10] * 10}
    try:
        value = jmespath.search(text, event)
    except JMESPathTypeError:
        return
    # The parts' own names and brackets are less than the event.
    assert _size(value) <= growth_of(text) * 2 * _size(event)


def _size(value: Any) -> int:
    return len(json.dumps(value))

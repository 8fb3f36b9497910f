"""Where a text is cut."""

import pytest

from carteiro.models.stop_texts import cut_at_stop


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("one two three", ["two"], ("one ", True)),
        ("one two three", ["three", "two"], ("one ", True)),
        ("one two three", ["four"], ("one two three", False)),
        ("one", [], ("one", False)),
    ],
)
def test_where_a_text_is_cut(text, stop, expected):
    assert cut_at_stop(text, stop) == expected

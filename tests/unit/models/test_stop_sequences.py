"""The position at which a text is cut."""

import pytest

from carteiro.models.stop_sequences import truncate_at_stop


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("one two three", ["two"], ("one ", True)),
        ("one two three", ["three", "two"], ("one ", True)),
        ("one two three", ["four"], ("one two three", False)),
        ("one", [], ("one", False)),
    ],
)
def test_text_is_cut_at_the_first_stop_sequence(text, stop, expected):
    assert truncate_at_stop(text, stop) == expected

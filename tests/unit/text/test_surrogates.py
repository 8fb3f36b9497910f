"""Halves of characters in texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.text.surrogates import repair_unicode


@pytest.mark.parametrize(
    ("text", "repaired"),
    [("a", "a"), ("\ud83d\ude00", "\U0001f600"), ("\udcc3\udca9", "\u00e9"), ("\ud83d a", "\ufffd a")],
)
def test_halves_are_joined_or_replaced(text: str, repaired: str) -> None:
    assert repair_unicode(text) == repaired


@given(st.text(alphabet=st.characters(categories=["Cs", "L", "N"])))
def test_repaired_text_can_be_written(text: str) -> None:
    repaired = repair_unicode(text)
    repaired.encode()
    assert repair_unicode(repaired) == repaired

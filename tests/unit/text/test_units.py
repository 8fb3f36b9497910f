"""Lengths of texts in the units of services."""

import regex
from hypothesis import given
from hypothesis import strategies as st

from carteiro.text.units import text_element_length, utf8_length, utf16_length

FAMILY = "👨‍👩‍👧"
TEXTS = st.lists(
    st.characters(exclude_categories=("Cs",)) | st.sampled_from(["\u0301", "\u20dd", "\r", "\n", "👍🏽", FAMILY])
).map("".join)


@given(TEXTS)
def test_text_elements_are_never_undercounted_and_never_more_than_code_points(text: str) -> None:
    assert len(regex.findall(r"\X", text)) <= text_element_length(text)
    assert text_element_length(text) <= len(text)


def test_combining_marks_count_with_their_letter() -> None:
    assert text_element_length("a\u0301\u20dd" * 3) == 3
    assert text_element_length("\u0301") == text_element_length("\n\u0301") - 1 == 1


@given(TEXTS)
def test_lengths_are_those_of_the_encoded_text(text: str) -> None:
    assert utf16_length(text) == len(text.encode("utf-16-le")) // 2
    assert utf8_length(text) == len(text.encode())


def test_half_a_surrogate_pair_has_a_length() -> None:
    assert (utf16_length("\ud83d"), utf8_length("\ud83d")) == (1, 3)

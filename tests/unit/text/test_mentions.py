"""Mentions of things in sentences, by their form."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.text.mentions import MentionType, find_mentions, has_place_preposition, has_price_word


def mentions(kind: MentionType, sentence: str) -> list[str]:
    return [sentence[start:end] for start, end in find_mentions(kind, sentence)]


@pytest.mark.parametrize(
    ("kind", "sentence", "expected"),
    [
        (MentionType.NAME, "The bakery is run by Liv Aanes now.", ["Liv Aanes"]),
        (MentionType.NAME, "It is old.", []),
        (MentionType.NAME, "NO WARRANTY IS GIVEN BY ANYONE.", []),
        (MentionType.EMAIL, "Write to ana.reis@example.org today.", ["ana.reis@example.org"]),
        (MentionType.MONEY, "A ticket is 35 crowns for visitors.", ["35 crowns"]),
        (MentionType.TIME, "It was opened in 1867.", ["1867"]),
        (MentionType.COLOUR, "The door is red.", ["red"]),
        (MentionType.REASON, "It is a fine day.", []),
    ],
)
def test_mentions_of_a_kind_are_found(kind: MentionType, sentence: str, expected: list[str]) -> None:
    assert mentions(kind, sentence) == expected


def test_common_first_word_is_not_part_of_a_name() -> None:
    assert mentions(MentionType.NAME, "The Ana Reis came.") == ["Ana Reis"]
    assert mentions(MentionType.NAME, "She said: The end.") == []


@given(kind=st.sampled_from(MentionType), sentence=st.text(max_size=60))
def test_spans_are_inside_the_sentence_and_in_order(kind: MentionType, sentence: str) -> None:
    spans = find_mentions(kind, sentence)
    assert all(0 <= start < end <= len(sentence) for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


@pytest.mark.parametrize(
    ("sentence", "place", "price"), [("It is in the hall.", True, False), ("Children pay half.", False, True)]
)
def test_words_of_place_and_price_are_found(sentence: str, place: bool, price: bool) -> None:
    assert (has_place_preposition(sentence), has_price_word(sentence)) == (place, price)

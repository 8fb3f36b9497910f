"""The kind of thing that a question asks for, in a sentence."""

import pytest

from carteiro.text.answer_types import answer_span, answer_type_score, is_same_word
from carteiro.text.questions import parse_question


def alike(one: str, other: str) -> float:
    return 1.0 if one == other else 0.0


@pytest.mark.parametrize(
    ("question", "sentence", "level"),
    [
        ("How many chairs are there?", "There are 40 oak chairs.", 2),
        ("How many chairs are there?", "The chairs cost 40 euros.", 0),
        ("How many chairs are there?", "The chairs are red.", 0),
        ("How much is the roof?", "The roof costs 38,500 euros.", 2),
        ("How much does the roof cost?", "The roof is new.", 0),
        ("How much does a child pay?", "Children pay half.", 1),
        ("When is the meeting?", "It is on 7 April.", 2),
        ("When is the meeting?", "It is in the hall.", 0),
        ("What is the phone number?", "Call +49 40 555 0142.", 2),
        ("What is the phone number?", "Call me.", 0),
        ("Who is the owner?", "The owner, Ana Reis, came.", 2),
        ("Who is the owner?", "Ana Reis met a man who knows the owner.", 0),
        ("What is the name of the boat?", "The boat is old.", 0),
        ("How old is the house?", "The house has 12 rooms.", 0),
        ("How wide is the bridge?", "It is three metres wide.", 2),
        ("Who wrote it?", "NO WARRANTY IS GIVEN BY ANYONE.", 1),
    ],
)
def test_sentence_must_have_the_kind_of_thing_that_is_asked_for(question: str, sentence: str, level: int) -> None:
    assert answer_type_score(parse_question(question), sentence, alike) == level


@pytest.mark.parametrize(
    ("question", "sentence", "found"),
    [
        ("When was it opened?", "It was opened in 1867 by two brothers.", "1867"),
        ("How much is it?", "A ticket is 35 crowns for visitors.", "35 crowns"),
        ("Who runs the bakery?", "The bakery is run by Liv Aanes now.", "Liv Aanes"),
        ("When is it open?", "It is open on Monday and from May.", "It is open on Monday and from May."),
        ("Why is it closed?", "It is closed because of rust.", "It is closed because of rust."),
    ],
)
def test_span_is_the_only_thing_of_its_kind_or_else_the_sentence(question: str, sentence: str, found: str) -> None:
    start, end = answer_span(parse_question(question), sentence, alike)
    assert sentence[start:end] == found


@pytest.mark.parametrize(
    ("one", "other", "forms"),
    [
        ("library", "libraries", True),
        ("meet", "meeting", True),
        ("bus", "buses", True),
        ("cat", "category", False),
        ("2019", "2018", False),
        ("press", "price", False),
    ],
)
def test_forms_of_a_word_are_alike(one: str, other: str, forms: bool) -> None:
    assert is_same_word(one, other) == is_same_word(other, one) == forms

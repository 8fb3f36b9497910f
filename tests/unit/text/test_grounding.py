"""Texts that rest on another text fully, in part or not at all, by their words."""

import pytest

from carteiro.text.grounding import content_words, find_numerals, names_supported, normalise, numbers_supported, overlap


def test_words_are_compared_without_case_accents_and_endings() -> None:
    assert normalise("A Câmara, às 10h!") == "a camara as 10h"
    assert content_words("Votação: votaram!") == content_words("VOTAÇAO... votar") | {"votar"}
    assert content_words("When does the council vote?") == {"counc", "vote"}


def test_number_words_are_numbers() -> None:
    assert content_words("twelve of 12 cups, and forty") == {"12", "cups", "40"}


@pytest.mark.parametrize(
    ("text", "source", "hold"),
    [
        ("Twelve cups.", "There are 12 cups.", True),
        ("13 cups.", "There are 12 cups.", False),
        ("They have 1150 labels.", "1,150 labels were printed.", True),
        ("forty thousand books", "40,000 books", True),
        ("Twenty-three came.", "23 came.", True),
        ("Vinte e três vieram.", "23 vieram.", True),
        ("47 customers", "312 customers", False),
        ("forty-seven customers", "312 customers", False),
        ("123456 boxes", "123457 boxes", False),
        ("2 dollars", "3.2 dollars", False),
        ("One of them left.", "Anna left.", True),
    ],
)
def test_every_number_must_be_in_the_source(text: str, source: str, hold: bool) -> None:
    assert numbers_supported(text, source) == hold


def test_text_of_short_words_overlaps_fully() -> None:
    assert content_words("Who is Tom?") == {"who", "is", "tom"}


def test_two_letters_in_a_row_stand_for_a_word_without_spaces() -> None:
    assert content_words("東京市") == {"東京", "京市"}


def test_overlap_of_no_words_is_zero() -> None:
    assert overlap(content_words("one bridge"), content_words("the bridge")) == 0.5
    assert overlap(frozenset(), frozenset({"word"})) == 0


@pytest.mark.parametrize(
    ("text", "hold"),
    [
        ("Then Anna left.", True),
        ("Then Berta left.", False),
        ("Berta left.", False),
        ("The house was left. Berta left.", False),
        ("Ann left.", False),
        ("However, Anna left.", True),
        ("ANNA left the House.", True),
    ],
)
def test_every_name_must_be_in_the_source_even_the_first_word(text: str, hold: bool) -> None:
    assert names_supported(text, "Anna left the house.") == hold


def test_numerals_have_values_and_places() -> None:
    text = "1,150 of 49.90 and 3,5; 7."
    assert [(value, text[start:end]) for value, start, end in find_numerals(text)] == [
        (1150.0, "1,150"),
        (49.9, "49.90"),
        (3.5, "3,5"),
        (7.0, "7"),
    ]


@pytest.mark.parametrize(
    ("text", "numerals"),
    [
        ("1234.500.000", ["1234.500", "000"]),
        ("5.12,500", ["5.12", "500"]),
        ("12.500.000.5", ["12.500", "000.5"]),
        ("5.1234.500.000", ["5.1234", "500.000"]),
    ],
)
def test_numerals_that_are_no_groups_of_three_digits_are_cut_in_pairs(text: str, numerals: list[str]) -> None:
    assert [text[start:end] for _, start, end in find_numerals(text)] == numerals


@pytest.mark.parametrize("text", ["1,234,567.50", "1.234.567,50"])
def test_groups_of_three_digits_may_have_decimals(text: str) -> None:
    assert find_numerals(f"Total {text} EUR.") == [(1234567.5, 6, 18)]
    assert numbers_supported(f"{text} EUR", "1,234,567.50 EUR")


@pytest.mark.timeout(20)
def test_long_numeral_takes_linear_time_and_is_left_out_if_it_is_infinite() -> None:
    text = "1" + ".111" * 50_000
    assert find_numerals(text) == []
    assert len(find_numerals(f"{text}1")) == 25_001

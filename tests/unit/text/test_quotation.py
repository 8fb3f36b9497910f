"""Quotations that stand in a source, and those that do not."""

import pytest

from carteiro.text.quotation import QuotedText, find_quotation

SOURCE = "The lease – signed in 1998 –\nruns for “thirty years”, and ends   on 1 May."


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("signed in 1998", "signed in 1998"),
        (
            'The lease - signed in 1998 - runs for "thirty years"',
            "The lease – signed in 1998 –\nruns for “thirty years",
        ),
        ("… ends on 1 May. …", "ends   on 1 May"),
        ("'RUNS FOR'", "runs for"),
        ("1998", "1998"),
    ],
)
def test_quotation_is_found_as_it_stands_in_the_source(quote: str, found: str) -> None:
    start, end = find_quotation(quote, SOURCE) or (0, 0)
    assert SOURCE[start:end] == found


@pytest.mark.parametrize(
    "quote", ["signed in 1999", "", "…", "on", "''", "x" * 200, ".*", "signed 1998", "998", "thirty year"]
)
def test_words_that_do_not_stand_in_the_source_are_no_quotation(quote: str) -> None:
    assert find_quotation(quote, SOURCE) is None


@pytest.mark.parametrize(("quote", "source"), [("Caf\u00e9", "A Cafe\u0301 here"), ("CAFE\u0301", "A Caf\u00e9 here")])
def test_accent_may_be_a_character_of_its_own(quote: str, source: str) -> None:
    start, end = find_quotation(quote, source) or (0, 0)
    assert source[:start] + source[end:] == "A  here"


@pytest.mark.timeout(10)
def test_hostile_quotation_takes_no_long_time() -> None:
    source = "aa " * 50_000
    assert find_quotation("aa " * 40_000 + "b", source) is None
    assert find_quotation("a" * 100_000, "a" * 300_000) is None
    assert find_quotation("' " * 50_000 + "b7", "' " * 50_000) is None
    assert find_quotation("abcd", "a" + "\u0316\u0301" * 200_000) is None


def test_letter_that_folds_to_two_is_one_in_the_source() -> None:
    assert find_quotation("STRASSE 7", "Die Straße 7.") == (4, 12)


def test_short_word_is_found_if_it_is_wanted() -> None:
    text = QuotedText("O Rui saiu.")
    assert text.find("Rui") is None
    assert text.find("rui", min_letters=1) == (2, 5)
    assert text.find("", min_letters=1) is None


@pytest.mark.timeout(10)
def test_place_in_one_long_word_is_passed_over_fast() -> None:
    text = QuotedText("1" * 300_000 + " 12")
    assert all(text.find("1" * length) is None for length in range(1, 200))
    assert text.find("12", min_letters=1) == (300_001, 300_003)


def test_quotation_far_longer_than_the_source_is_not_looked_at() -> None:
    text = QuotedText("It is 7.")
    assert text.find(f"{' ' * 900}it is 7") == (0, 7)
    assert text.find(f"{' ' * 1100}it is 7") is None

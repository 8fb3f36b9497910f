"""How far a text rests on another, by its words."""

import pytest

from carteiro.models.grounding import content_words, names_hold, numbers_hold, plain, share


def test_words_are_compared_without_case_accents_and_endings() -> None:
    assert plain("A Câmara, às 10h!") == "a camara as 10h"
    assert content_words("Votação: votaram!") == content_words("VOTAÇAO... votar") | {"votar"}
    assert content_words("When does the council vote?") == {"counc", "vote"}


def test_number_words_are_numbers() -> None:
    assert content_words("twelve of 12 cups, and forty") == {"12", "cups", "40"}
    assert numbers_hold(content_words("twelve cups"), content_words("12 cups"))
    assert not numbers_hold(content_words("13 cups"), content_words("12 cups"))


def test_a_text_of_short_words_has_them_all() -> None:
    assert content_words("Who is Tom?") == {"who", "is", "tom"}


def test_where_nothing_is_between_words_two_letters_in_a_row_stand_for_one() -> None:
    assert content_words("東京市") == {"東京", "京市"}


def test_the_share_of_no_words_is_none() -> None:
    assert share(content_words("one bridge"), content_words("the bridge")) == 0.5
    assert share(frozenset(), frozenset({"word"})) == 0


@pytest.mark.parametrize(
    ("text", "hold"), [("Then Anna left.", True), ("Then Berta left.", False), ("Berta left.", True)]
)
def test_names_but_for_the_first_word_are_in_the_source(text: str, hold: bool) -> None:
    assert names_hold(text, "Anna left the house.") == hold

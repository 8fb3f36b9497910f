"""The span of an answer in its text, by the offsets that the service gives."""

import pytest

from carteiro.models.cloud.language.azure_responses import AnswerPart, TextAnswer, place

TEXT = "The ferry leaves at nine. It is green."


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (TextAnswer(answer="at nine", offset=17), "at nine"),
        (TextAnswer(answer=" at nine. ", offset=16), "at nine."),
        (TextAnswer(answer="The ferry leaves at nine.", answerSpan=AnswerPart(text="nine", offset=20)), "nine"),
        (TextAnswer(answer="It is green.", offset=26, answerSpan=AnswerPart(text=" green", offset=5)), "green"),
        (TextAnswer(answer="at nine", offset=3), "at nine"),
        (TextAnswer(answer="at ten", offset=17), None),
        (TextAnswer(), None),
    ],
    ids=["offset", "white space", "short answer", "short answer with white space", "wrong offset", "invented", "empty"],
)
def test_place_is_that_of_the_words_without_white_space(answer: TextAnswer, expected: str | None) -> None:
    span = place(answer, TEXT)
    assert (span and TEXT[span[0] : span[1]]) == expected

"""Schemas of answer."""

import pytest

from carteiro.schemas.answer import AnswerRequest, AnswerResult


def test_text_is_the_context() -> None:
    assert AnswerRequest.from_text("She did.") == {"context": "She did."}


@pytest.mark.parametrize(
    ("result", "shown"),
    [(AnswerResult(found=True, answer="in 1867"), "in 1867"), (AnswerResult(found=False), "(the text does not say)")],
)
def test_answer_or_its_absence_is_shown(result: AnswerResult, shown: str) -> None:
    assert result.render() == shown

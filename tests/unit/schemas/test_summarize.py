"""Schemas of summarize."""

import pytest
from pydantic import ValidationError

from carteiro.schemas.summarize import SummarizeRequest, SummarizeResult


def test_style_and_length_are_of_a_few() -> None:
    with pytest.raises(ValidationError, match="'paragraph' or 'bullets'"):
        SummarizeRequest.model_validate({"text": "x", "style": "haiku"})


def test_summary_is_shown() -> None:
    assert SummarizeResult(summary="- One.", bullets=["One."], parts=1).render() == "- One."

"""Schemas of generate."""

import pytest
from pydantic import ValidationError

from carteiro.schemas.generate import GenerateRequest, GenerateResult


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"stop": [""]}, "at least 1"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "at most 4"),
        ({"stop": ["a"], "options": {"stop": ["b"]}}, "has stop and options.stop"),
        ({"json_schema": {}}, "must describe an object"),
    ],
)
def test_inconsistent_request_is_rejected(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        GenerateRequest.model_validate({"prompt": "x", **fields})


def test_text_is_shown() -> None:
    assert GenerateResult(text='{"n": 1}', data={"n": 1}).render() == '{"n": 1}'

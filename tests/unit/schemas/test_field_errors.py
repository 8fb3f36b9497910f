"""Pydantic's errors in our own words."""

from typing import Any

import pytest
from pydantic import ValidationError

from carteiro.schemas import FieldError
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.field_errors import explain, field_errors
from carteiro.schemas.generate import GenerateRequest


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({}, "prompt: is missing"),
        ({"prompt": " "}, "prompt: must not be blank"),
        ({"prompt": 5}, "prompt: must be a text"),
        ({"prompt": None}, "prompt: must be a text, not null"),
        ({"prompt": "x", "stop": 5}, "stop: must be a list"),
        ({"prompt": "x", "more": 1}, "more: is not a field of this request"),
        ({"prompt": "x", "options": {"temperature": 9}}, "options.temperature: must be at most 2"),
        ({"prompt": "x", "options": {"wait": "soon"}}, "options.wait: must be a number and s, m, h or d, such as 90s"),
    ],
)
def test_error_names_the_field_and_never_its_value(body: dict[str, Any], line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        GenerateRequest.model_validate(body)
    assert explain(field_errors(caught.value)).startswith(line)


def test_unknown_field_names_its_document() -> None:
    with pytest.raises(ValidationError) as caught:
        GenerateRequest.model_validate({"prompt": "x", "more": 1})
    assert explain(field_errors(caught.value, document="an order")) == "more: is not a field of an order"


def test_document_itself_has_a_name_and_errors_have_a_limit() -> None:
    with pytest.raises(ValidationError) as caught:
        GenerateRequest.model_validate_json("[]")
    assert [each.field for each in field_errors(caught.value, root="reply")] == ["reply"]
    with pytest.raises(ValidationError) as caught:
        ChatRequest.model_validate({"messages": [], "more": 1, "and": 2})
    assert len(field_errors(caught.value, limit=1)) == 1


def test_errors_are_one_line() -> None:
    fields = [FieldError(field="a", reason="is missing"), FieldError(field="b", reason="is blank")]
    assert explain(fields) == "a: is missing; b: is blank"

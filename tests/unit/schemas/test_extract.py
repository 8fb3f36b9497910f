"""Schemas of extract."""

import pytest
from pydantic import ValidationError

from carteiro.schemas.extract import ExtractRequest, ExtractResult


def test_fields_describe_an_object() -> None:
    with pytest.raises(ValidationError, match="must describe an object"):
        ExtractRequest.model_validate({"text": "x", "fields": {"type": "string"}})


def test_values_are_shown_with_their_paths() -> None:
    data = {"name": "Maria", "items": [{"price": 3}], "note": None}
    shown = ExtractResult(data=data, spans={"name": [0, 5], "items.0.price": None}).render()
    assert shown == "name: Maria\nitems.0.price: 3  (not in the text)"

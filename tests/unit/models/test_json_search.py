"""JSON values are found in the text that models put around them."""

import pytest

from carteiro.models.json_search import json_values, strict_json


@pytest.mark.parametrize("text", ['\ufeff"Lisbon"', '\ufeff\n"Lisbon"\n', ' "Lisbon"\ufeff'])
def test_byte_order_mark_next_to_any_value_is_skipped(text: str) -> None:
    assert list(json_values(text)) == [("Lisbon", '"Lisbon"')]


@pytest.mark.parametrize(
    "text", ['Here it is:\n```json\n"Lisbon"\n```', '~~~\n\ufeff"Lisbon"\n~~~\nDone.', '```\n"Lisbon"'], ids=repr
)
def test_value_that_is_not_an_object_is_found_in_a_fence(text: str) -> None:
    assert list(json_values(text)) == [("Lisbon", '"Lisbon"')]


def test_parts_of_broken_json_are_not_values() -> None:
    assert list(json_values('{"a": {"b": 1}, "c": [1, 2], "d')) == []


@pytest.mark.parametrize("text", ['"\ud800"', '{"a": "\udc80"}', '"\\ud800"', "1e999", "[" * 500, "NaN"])
def test_data_that_cannot_be_passed_on_are_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        strict_json(text)
    assert list(json_values(text)) == []

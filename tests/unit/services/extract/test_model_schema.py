"""JSON Schemas for the model, made from the caller's."""

from typing import Any

import pytest

from carteiro.models.cloud.strict_schema import can_be_strict
from services.extract.model_schema import constants, copied_from, with_quotes

STRICT = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "kind": {"$ref": "#/$defs/kind"}},
    "required": ["name", "kind"],
    "additionalProperties": False,
    "$defs": {"kind": {"enum": ["a", "b"], "type": "string"}},
}


def test_strict_schema_stays_strict_with_quotes() -> None:
    whole = with_quotes(STRICT, is_part=False)
    assert can_be_strict(whole)
    assert whole["properties"]["data"]["required"] == ["name", "kind"]
    assert whole["$defs"] == STRICT["$defs"]


def test_field_may_be_null_in_a_part_of_a_text() -> None:
    whole = with_quotes(STRICT, is_part=True)
    assert can_be_strict(whole)
    assert whole["properties"]["data"]["properties"]["name"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert whole["required"] == ["data", "quotes"]


@pytest.mark.parametrize(
    ("reference", "moved"),
    [("#", "#/properties/data"), ("#/properties/a", "#/properties/data/properties/a"), ("#/$defs/x", "#/$defs/x")],
)
def test_references_lead_to_the_same_parts(reference: str, moved: str) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": reference}}}
    assert with_quotes(schema, is_part=False)["properties"]["data"]["properties"]["a"] == {"$ref": moved}


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        ({"type": "string", "description": "name"}, {"enum": ["Ana", "Ana is", "Ana is 34", "is", "is 34", "34"]}),
        ({"type": ["string", "null"]}, {"enum": ["Ana", "Ana is", "Ana is 34", "is", "is 34", "34", None]}),
        ({"type": "integer"}, {"enum": [34]}),
        ({"type": "string", "enum": ["x"]}, {"type": "string", "enum": ["x"]}),
        ({"type": "string", "pattern": "^A"}, {"type": "string", "pattern": "^A"}),
        ({"type": "boolean"}, {"type": "boolean"}),
        ({"type": "array", "items": {"type": "integer"}}, {"type": "array", "items": {"enum": [34]}, "maxItems": 5}),
    ],
)
def test_small_model_chooses_among_phrases_and_numbers(leaf: dict[str, Any], expected: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"a": leaf}}
    assert copied_from(schema, "Ana is 34.")["properties"]["a"] == expected


def test_small_model_writes_only_fields_of_the_schema() -> None:
    item = {"type": "object", "properties": {"b": {"type": "boolean"}}}
    closed = {**item, "additionalProperties": False}
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": item, "maxItems": 1}, "c": item}}
    assert copied_from(schema, "x") == {
        "type": "object",
        "properties": {"a": {"type": "array", "items": closed, "maxItems": 1}, "c": closed},
        "additionalProperties": False,
    }
    for more in ({"additionalProperties": True}, {"allOf": [item]}, {"required": ["c"]}):
        assert copied_from(item | more, "x") == item | more


def test_phrases_end_with_a_clause() -> None:
    choice = copied_from({"type": "object", "properties": {"a": {"type": "string"}}}, "Ana, (Rui) left.\nBye now")
    assert choice["properties"]["a"]["enum"] == ["Ana", "Rui", "Rui) left", "left", "Bye", "Bye now", "now"]


def test_text_without_numbers_leaves_the_number_free() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "number"}}}
    assert copied_from(schema, "Ana")["properties"] == schema["properties"]


def test_constants_are_all_texts_that_the_schema_names() -> None:
    assert constants({"properties": {"a": {"enum": ["x", 1]}, "b": {"anyOf": [{"const": "y"}]}}}) == {"x", "y"}


def test_anchor_moves_with_its_part() -> None:
    schema = {"type": "object", "properties": {"a": {"$anchor": "x"}, "b": {"$ref": "#x"}}}
    assert with_quotes(schema, is_part=True)["properties"]["data"] == schema


@pytest.mark.parametrize(
    "data",
    [
        {"type": "array", "maxItems": "x"},
        {"type": [{}]},
        {"required": [[1]], "properties": {}},
        {"required": ["a"], "properties": {"a": 1}},
        {"$ref": "#"},
    ],
)
@pytest.mark.parametrize("keyword", ["const", "default", "x-own"])
def test_data_in_a_schema_are_no_schema(keyword: str, data: Any) -> None:
    schema = {"type": "object", "properties": {"a": {keyword: data}}, "additionalProperties": False}
    assert with_quotes(schema, is_part=True)["properties"]["data"] == schema
    assert copied_from(schema, "Ana is 34.") == schema


@pytest.mark.parametrize("name", ["type", "enum", "const", "required", "properties", "$ref", "items", "maxItems"])
def test_fields_may_have_the_names_of_keywords(name: str) -> None:
    properties = {name: {"type": "integer"}, "title": {"type": "integer"}}
    schema = {"type": "object", "properties": properties}
    assert with_quotes(schema, is_part=True)["properties"]["data"] == schema
    assert copied_from(schema, "34")["properties"] == {name: {"enum": [34]}, "title": {"enum": [34]}}

import json
from typing import Any

import pytest

from carteiro.registry.avro.types import parse_schema
from carteiro.registry.errors import SchemaUnusable
from carteiro.registry.registered_schema import FetchedSchema, SchemaText


def parse(schema: Any) -> Any:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return parse_schema(FetchedSchema(SchemaText("AVRO", text)))


def record(name: str, *types: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": f"f{n}", "type": each} for n, each in enumerate(types)]}


def test_names_have_their_namespaces_and_attributes_are_kept() -> None:
    schema = record("a.b.R", record("C", "int"), "C") | {"doc": "a review", "connect.version": 1}
    parsed = parse(schema)
    assert set(parsed.names) == {"a.b.R", "a.b.C"}
    assert (parsed.inlined["doc"], parsed.inlined["connect.version"]) == ("a review", 1)


@pytest.mark.parametrize(
    "schema",
    [
        "{",
        "[" * 100_000,
        {},
        record("R", "Unknown"),
        {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}] * 2},
        {"type": "fixed", "name": "F", "size": "many"},
        {"type": "array", "items": {"type": "fixed", "name": "F", "size": -1}},
        {"type": "array", "items": "null"},
        {"type": "array", "items": record("Empty")},
        record("R", *["null"] * 20),
    ],
    ids=[
        "cut",
        "deep",
        "no type",
        "unknown name",
        "two fields",
        "size",
        "negative size",
        "array of nulls",
        "array of empties",
        "nulls",
    ],
)
def test_schema_that_cannot_be_read_or_that_makes_values_of_nothing_is_unusable(schema: Any) -> None:
    with pytest.raises(SchemaUnusable):
        parse(schema)


def test_schema_with_more_values_than_the_limit_is_unusable() -> None:
    with pytest.raises(SchemaUnusable, match="more than 100,000 values"):
        parse(["null"] * 100_001)


def test_schema_that_is_nested_too_deeply_is_unusable() -> None:
    schema: Any = "int"
    for _ in range(150):
        schema = {"type": "array", "items": {"type": "map", "values": schema}}
    with pytest.raises(SchemaUnusable):
        parse(schema)


def test_records_that_double_with_each_level_are_read_once_each() -> None:
    schema: Any = record("R0", "int")
    for level in range(1, 40):
        schema = record(f"R{level}", schema, f"R{level - 1}")
    assert len(parse(schema).names) == 40


def test_default_that_would_double_with_each_level_is_not_expanded() -> None:
    schema: Any = record("R0", "int")
    schema["fields"][0]["default"] = 0
    for level in range(1, 40):
        schema = record(f"R{level}", schema, f"R{level - 1}")
        for field in schema["fields"]:
            field["default"] = {}
    assert len(parse(schema).names) == 40

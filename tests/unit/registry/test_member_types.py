from typing import Any

import pytest

from carteiro.registry.member_types import (
    Boolean,
    Integer,
    JsonText,
    ListOf,
    MemberType,
    Number,
    RecordOf,
    Text,
    as_member,
    member_type,
    member_types,
)
from carteiro.wire.event_format import MemberRefused

STRING = {"type": "string"}
NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (STRING, Text()),
        ({"type": "integer"}, Integer()),
        ({"type": "number"}, Number()),
        ({"type": "boolean"}, Boolean()),
        ({"enum": ["a", "b"]}, Text()),
        ({"const": "a"}, Text()),
        ({"const": 1}, JsonText()),
        ({"type": ["null", "string"]}, Text()),
        ({"type": ["integer", "string"]}, JsonText()),
        ({"anyOf": [STRING, NULL]}, Text()),
        ({"anyOf": [STRING, {"type": "integer"}]}, JsonText()),
        ({"anyOf": [{"enum": ["a"]}, STRING]}, Text()),
        ({"type": "array", "items": {"anyOf": [STRING, STRING, NULL]}}, JsonText()),
        ({"anyOf": [{"$ref": "#/$defs/X"}, STRING], "$defs": {"X": STRING}}, JsonText()),
        ({"type": "array", "items": STRING}, ListOf(Text())),
        ({"type": "array", "items": {"anyOf": [STRING, NULL]}}, JsonText()),
        ({"type": "array"}, JsonText()),
        ({"type": "object"}, JsonText()),
        ({"type": "object", "properties": {"a": STRING}}, RecordOf((("a", Text()),))),
        ({"$ref": "#/$defs/X", "$defs": {"X": STRING}}, Text()),
        ({"$ref": "#/$defs/X", "$defs": {}}, JsonText()),
        ({"$ref": "other.json"}, JsonText()),
        (None, JsonText()),
        ({}, JsonText()),
    ],
    ids=str,
)
def test_type_follows_from_the_json_schema(schema: Any, kind: MemberType) -> None:
    assert member_type(schema) == kind


def test_schema_that_contains_itself_ends_in_json_text() -> None:
    schema: Any = {"type": "array", "items": {"$ref": "#"}}
    schema = {"$defs": {"X": {"type": "object", "properties": {"x": {"$ref": "#/$defs/X"}}}}, "$ref": "#/$defs/X"}
    assert "JsonText" in repr(member_type(schema))


def test_members_are_one_record_by_their_paths() -> None:
    assert member_types({("ai", "a"): STRING, ("b",): None, ("ai", "c", "d"): STRING}) == RecordOf(
        (("ai", RecordOf((("a", Text()), ("c", RecordOf((("d", Text()),)))))), ("b", JsonText()))
    )


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        (Text(), "a", "a"),
        (Text(), None, None),
        (Text(), "a\ud800", "a?"),
        (Integer(), -(2**63), -(2**63)),
        (Number(), 1, 1.0),
        (JsonText(), {"é": [1]}, '{"é":[1]}'),
        (ListOf(Text()), ["a"], ["a"]),
        (RecordOf((("a", Text()), ("b", Text()))), {"a": "x", "c": 1}, {"a": "x", "b": None}),
    ],
    ids=str,
)
def test_value_is_written_as_its_type(kind: MemberType, value: Any, written: Any) -> None:
    assert as_member(kind, value) == written


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Text(), 1), (Integer(), 2**63), (Integer(), 1.5), (Integer(), True), (Number(), False), (ListOf(Text()), [None])],
    ids=str,
)
def test_value_of_another_type_is_refused(kind: MemberType, value: Any) -> None:
    with pytest.raises(MemberRefused):
        as_member(kind, value)

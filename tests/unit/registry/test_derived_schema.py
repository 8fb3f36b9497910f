import json
from typing import Any

import pytest

from carteiro.registry.derived_schema import derive_schema, json_text_members, object_members
from carteiro.registry.registered_schema import SCHEMA_TYPES, SchemaType
from carteiro.schemas import REQUESTS
from carteiro.tasks.task_schemas import reply_schemas
from carteiro.wire.event_format import MemberRefused

STATUS = {"properties": {"status": {"const": "ok"}, "n": {"type": "integer"}}}


@pytest.mark.parametrize("kind", SCHEMA_TYPES)
@pytest.mark.parametrize("task", REQUESTS)
def test_replies_of_every_task_have_a_schema_in_every_format(kind: SchemaType, task: str) -> None:
    schema = derive_schema(kind, "AnyReply", object_members(*reply_schemas(REQUESTS[task])))
    assert schema.extension.record_name == "carteiro.AnyReply"
    assert schema.encode({"status": "error", "usage": None, "error": {"code": "expired", "fields": []}})


def test_schema_is_the_same_each_time() -> None:
    texts = {derive_schema(kind, "R", object_members(STATUS)).extension.schema for kind in SCHEMA_TYPES for _ in "ab"}
    assert len(texts) == len(SCHEMA_TYPES)


def test_members_are_optional_fields() -> None:
    text = json.loads(derive_schema("AVRO", "R", object_members(STATUS)).extension.schema.text)
    assert [(field["name"], field["type"], field["default"]) for field in text["fields"]] == [
        ("status", ["null", "string"], None),
        ("n", ["null", "long"], None),
    ]


@pytest.mark.parametrize("value", ["1", 1.5, 2**63])
def test_value_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(MemberRefused):
        derive_schema("AVRO", "R", object_members(STATUS)).encode({"n": value})


def test_member_of_two_types_has_no_known_type() -> None:
    members = object_members({"properties": {"x": {"type": "string"}}}, {"properties": {"x": {"type": "integer"}}})
    assert members == {"x": None}


def test_only_members_without_a_type_that_are_no_text_in_json_are_json_text() -> None:
    members = {
        "any": {},
        "text": {"type": "string"},
        "mixed": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "object": {"anyOf": [{"type": "object"}, {"type": "null"}]},
        "number": {"type": ["integer", "boolean"]},
        "list": {"type": "array", "items": {"type": "string"}},
    }
    assert json_text_members({"properties": members}) == {"object", "number"}

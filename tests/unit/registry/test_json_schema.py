"""JSON events that Confluent's serializer writes, and that its deserializer validates after they were enriched."""

import json
from typing import Any

import pytest

from carteiro.registry.client import RegistryClient
from carteiro.registry.event_format import RegistryFormat, Schemas
from carteiro.registry.json_schema import JsonSchemaExtension
from carteiro.registry.member_types import member_types
from carteiro.registry.registered_schema import Reference, SchemaText
from carteiro.registry.subjects import SubjectStrategy
from carteiro.wire.event_format import EncodedEvent, EventUnreadable, MemberRefused
from tests.registry_server import RegistryServer
from tests.unit.registry.confluent import Confluent
from tests.unit.wire.fake_record import FakeRecord

MEMBERS = {("ai", "summary"): {"type": "string"}, ("ai", "n"): {"type": "integer"}, ("ai", "any"): None}
VALUES = {("ai", "summary"): "Fine.", ("ai", "n"): 1, ("ai", "any"): {"x": [1, None]}}
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Review",
    "type": "object",
    "properties": {"text": {"type": "string"}, "price": {"type": "number"}},
    "additionalProperties": False,
}


async def enrich(client: RegistryClient, event: FakeRecord) -> EncodedEvent:
    events = RegistryFormat(client, Schemas(client), SubjectStrategy.RECORD, "enriched", MEMBERS)
    decoded = await events.decode(event)
    await decoded.prepare()
    return decoded.encode(VALUES)


def extend(schema: Any, members: Any = None) -> Any:
    types = member_types(members or {("payload", "after", "ai"): {"type": "string"}})
    return json.loads(JsonSchemaExtension(SchemaText("JSON", json.dumps(schema)), types).schema.text)


async def test_enriched_event_keeps_its_text_and_meets_its_schema(
    client: RegistryClient, confluent: Confluent, server: RegistryServer
) -> None:
    event = await confluent.json(json.dumps(SCHEMA), {"text": "a", "price": 1})
    assert event.value is not None
    exact = event.value[:5] + b'{"price": 19.900000000000000000001, "text": "a"}'
    encoded = await enrich(client, FakeRecord(exact))
    assert encoded.value[5:].startswith(b'{"price": 19.900000000000000000001, "text": "a",')
    schema = server.store.subjects["Review"][1].text
    read = await confluent.read_json(encoded.value, schema)
    assert read["ai"] == {"summary": "Fine.", "n": 1, "any": {"x": [1, None]}}


def test_members_may_be_null_and_are_not_required() -> None:
    assert extend({"type": "object"}, MEMBERS) == {
        "type": "object",
        "properties": {
            "ai": {
                "oneOf": [
                    {"type": "null"},
                    {
                        "type": "object",
                        "properties": {
                            "summary": {"oneOf": [{"type": "null"}, {"type": "string"}]},
                            "n": {"oneOf": [{"type": "null"}, {"type": "integer"}]},
                            "any": {},
                        },
                        "additionalProperties": False,
                    },
                ]
            }
        },
    }


ROW = {"type": "object", "properties": {"id": {"type": "integer"}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("payload", "definitions"),
    [
        ({"properties": {"after": ROW}}, {}),
        ({"properties": {"after": {"oneOf": [{"type": "null"}, ROW]}}}, {}),
        ({"properties": {"after": {"anyOf": [{"$ref": "#/definitions/Row"}, {"type": "null"}]}}}, {"Row": ROW}),
        (
            {"$ref": "#/definitions/Payload"},
            {"Payload": {"properties": {"after": {"$ref": "#/definitions/Row"}}}, "Row": ROW},
        ),
    ],
    ids=["inline", "oneOf", "anyOf with a reference", "references"],
)
def test_member_is_declared_in_the_object_at_its_path(payload: Any, definitions: Any) -> None:
    from jsonschema import validate

    schema = extend({"type": "object", "properties": {"payload": payload}, "definitions": definitions})
    validate({"payload": {"after": {"id": 1, "ai": "x"}}}, schema)
    validate({"payload": {"after": {"id": 1, "ai": None}}}, schema)
    with pytest.raises(Exception, match="is not valid|is not of type"):
        validate({"payload": {"after": {"id": 1, "ai": 5}}}, schema)


def test_references_are_kept() -> None:
    references = (Reference("payload.json", "payload", 1),)
    schema = SchemaText("JSON", '{"type": "object"}', references)
    assert JsonSchemaExtension(schema, member_types(MEMBERS)).schema.references == references


def test_definition_of_another_schema_is_extended_next_to_its_reference() -> None:
    schema = extend({"properties": {"payload": {"$ref": "payload.json"}}})
    payload = schema["properties"]["payload"]
    assert payload["allOf"] == [{"$ref": "payload.json"}]
    assert set(payload["properties"]) == {"after"}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"payload": {"type": "string"}}},
        {"properties": {"payload": {"properties": {"after": {"properties": {"ai": {"type": "integer"}}}}}}},
        {"properties": {"payload": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"properties": []},
        {"properties": {"payload": {"oneOf": 5}}},
    ],
    ids=["text", "number", "reference to itself", "properties", "oneOf"],
)
def test_schema_that_cannot_have_the_member_is_refused(schema: Any) -> None:
    with pytest.raises(MemberRefused):
        extend(schema)


@pytest.mark.parametrize(
    ("schema", "is_open"),
    [
        ({"type": "object"}, True),
        ({"additionalProperties": True}, True),
        ({"additionalProperties": False}, False),
        ({"patternProperties": {"^x": {}}}, False),
        ({"properties": {"payload": {"additionalProperties": False}}}, False),
        ({"properties": {"payload": {"properties": {"after": {}}}}}, True),
        ({"properties": {"payload": {"oneOf": [{"properties": {}}, {"properties": {}, "allOf": []}]}}}, False),
        ({"properties": {"payload": {"$ref": "payload.json"}}}, False),
    ],
    ids=str,
)
def test_open_object_permits_members_that_are_not_declared(schema: Any, is_open: bool) -> None:
    text = SchemaText("JSON", json.dumps(schema))
    extension = JsonSchemaExtension(text, member_types({("payload", "after", "ai"): {"type": "string"}}))
    assert extension.undeclared == (text if is_open else None)


@pytest.mark.parametrize("strategy", [SubjectStrategy.RECORD, SubjectStrategy.TOPIC])
async def test_open_schema_is_compatible_with_itself_and_after_a_step_was_added(
    client: RegistryClient, confluent: Confluent, server: RegistryServer, strategy: SubjectStrategy
) -> None:
    event = await confluent.json(json.dumps(SCHEMA | {"additionalProperties": True}), {"text": "a"})
    if strategy is SubjectStrategy.RECORD:
        server.store.subjects["Review"] = dict(server.store.subjects["reviews-value"])
    for members in ({("mood",): {"type": "string"}}, {("mood",): {"type": "string"}, ("ai", "n"): None}):
        events = RegistryFormat(client, Schemas(client), strategy, "enriched", members)
        decoded = await events.decode(event)
        await decoded.prepare()
        encoded = decoded.encode({("mood",): "good"})
        schema = server.store.by_id(str(int.from_bytes(encoded.value[1:5], "big"))).text
        assert (await confluent.read_json(encoded.value, schema))["mood"] == "good"


async def test_step_can_be_added_to_a_declared_object(
    client: RegistryClient, confluent: Confluent, server: RegistryServer
) -> None:
    event = await confluent.json(json.dumps(SCHEMA), {"text": "a"})
    for members in (MEMBERS, {**MEMBERS, ("ai", "more"): {"type": "string"}}):
        events = RegistryFormat(client, Schemas(client), SubjectStrategy.TOPIC, "enriched", members)
        await (await events.decode(event)).prepare()
    newest = json.loads(server.store.subjects["enriched-value"][2].text)
    assert "more" in newest["properties"]["ai"]["oneOf"][1]["properties"]


async def test_event_that_is_no_object_is_unreadable(client: RegistryClient, confluent: Confluent) -> None:
    event = await confluent.json(json.dumps(SCHEMA), {"text": "a"})
    assert event.value is not None
    with pytest.raises(EventUnreadable):
        await enrich(client, FakeRecord(event.value[:5] + b"[1]"))

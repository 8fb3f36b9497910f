"""Schemas for strict mode, and schemas that it refuses."""

import pytest

from carteiro.models.cloud.strict_schema import can_be_strict
from carteiro.schemas import REQUESTS
from carteiro.tasks.discovery import find_tasks
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import open_cloud_model


def of(*, required: list[str] | None = None, extra: object = False, **properties: object) -> dict:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": extra,
    }


def nested(levels: int) -> dict:
    schema: dict = {"type": "string"}
    for _ in range(levels):
        schema = of(a=schema)
    return schema


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    "schema",
    [
        of(a=TEXT),
        of(),
        of(a={"type": ["string", "null"]}, b={"enum": ["x", "y"], "type": "string"}),
        of(a={"type": "array", "items": of(b={"type": "number", "minimum": 0}), "minItems": 1, "maxItems": 3}),
        of(a={"anyOf": [TEXT, {"type": "null"}], "title": "A"}),
        of(a={"type": "string", "format": "date-time", "pattern": "^2", "description": "when"}),
        of(a={"type": "string", "const": "x"}),
        {**of(a={"$ref": "#/$defs/A"}, b={"$ref": "#"}), "$defs": {"A": of(c={"type": "boolean"})}},
        nested(10),
        of(**{f"p{n}": TEXT for n in range(5000)}),
    ],
)
def test_schema_is_strict(schema: dict) -> None:
    assert can_be_strict(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        TEXT,
        {"type": "array", "items": TEXT},
        {"anyOf": [of(a=TEXT), of(b=TEXT)]},
        of(a=TEXT, required=[]),
        of(a=TEXT, extra=True),
        {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
        {"type": "object"},
        of(a={}),
        of(a=True),
        of(a={"type": "array"}),
        of(a={"type": "array", "items": {}}),
        of(a={"type": "array", "items": TEXT, "uniqueItems": True}),
        of(a={"type": "string", "maxLength": 3}),
        of(a={"type": "string", "format": "uri"}),
        of(a={"type": "string", "default": "x"}),
        of(a={"oneOf": [TEXT]}),
        of(a={"allOf": [TEXT]}),
        of(a={"enum": ["x"]}),
        of(a={"type": "thing"}),
        of(a={"type": []}),
        of(a=of(b=TEXT, required=[])),
        of(a={"anyOf": [TEXT, of(b=TEXT, extra=True)]}),
        of(a={"$ref": "https://example.org/schema.json"}),
        {**of(a={"$ref": "#/$defs/A"}), "$defs": {"A": {"type": "object"}}},
        {**of(a=TEXT), "patternProperties": {}},
        nested(11),
        of(**{f"p{n}": TEXT for n in range(5001)}),
        of(a={"type": "string", "enum": [str(n) for n in range(1001)]}),
        of(a={"type": "string", "enum": ["x" * 120_001]}),
    ],
)
def test_schema_is_not_strict(schema: dict) -> None:
    assert not can_be_strict(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": []},
        {"type": "object", "additionalProperties": False, "properties": {"a": 7}, "required": "a"},
        {"type": "object", "additionalProperties": False, "$defs": 7},
        of(a={"anyOf": 7}),
        of(a={"type": "string", "enum": 7}),
        of(a={"type": [["string"]]}),
    ],
)
def test_invalid_schema_is_not_strict(schema: dict) -> None:
    assert not can_be_strict(schema)


@pytest.mark.parametrize(
    ("task", "request_"),
    [("answer", {"question": "When?", "context": "In 1867."}), ("sentiment", {"text": "I love it."})],
)
async def test_schemas_of_the_tasks_are_strict(task: str, request_: dict[str, str], provider: Provider) -> None:
    tasks = {task.name: task for task in find_tasks()}
    model = open_cloud_model(f"{provider.url}#m")
    await tasks[task].run(REQUESTS[task].model_validate(request_), model)
    await model.close()
    assert provider.requests[0].body["response_format"]["json_schema"]["strict"] is True

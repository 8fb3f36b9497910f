"""JSON Schemas, sent in the strongest form that a model takes."""

from dataclasses import replace

import pytest

from tests.unit.models.cloud.cloud_models import PROMPT
from tests.unit.models.cloud.strict_server import (
    SCHEMA,
    SCHEMA_PROMPT,
    ask,
    error,
    extra_forbidden,
    formats,
    kind,
    unknown,
)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(
    ("rule", "kinds"),
    [
        (formats("json_object"), ["json_schema", "json_object"]),
        (formats("json_object", message="Bad Request"), ["json_schema", "json_object"]),
        (formats(), ["json_schema", "json_object", None]),
        (formats(message=""), ["json_schema", "json_object", None]),
        (formats(message="json_schema: structured outputs are not supported"), ["json_schema", "json_object", None]),
    ],
)
async def test_schema_is_carried_in_the_strongest_form_that_is_taken_and_that_is_kept(
    server, opened, api, rule, kinds, streams
):
    server.rules = [rule]
    model = opened(api=api)
    for _ in range(2):
        await ask(model, SCHEMA_PROMPT, streams)
    assert [kind(body) for body in server.bodies] == [*kinds, kinds[-1]]
    assert '"n"' in str(server.bodies[-1].get("messages") or server.bodies[-1]["input"]), "the schema is in the prompt"


@pytest.mark.parametrize(("rule"), [extra_forbidden("response_format"), unknown("response_format", status=422)])
async def test_server_without_formats_is_shown_the_schema(server, opened, rule):
    server.rules = [rule]
    await opened().complete(SCHEMA_PROMPT)
    assert [kind(body) for body in server.bodies] == ["json_schema", "json_object", None]


async def test_word_strict_is_dropped_before_the_schema_is(server, opened):
    def rule(body):
        return error("Unknown parameter: 'strict'.") if "strict" in str(body.get("response_format")) else None

    server.rules = [rule]
    model = opened()
    for _ in range(2):
        await model.complete(SCHEMA_PROMPT)
    assert [kind(body) for body in server.bodies] == ["json_schema"] * 3
    assert "strict" not in server.bodies[-1]["response_format"]["json_schema"]


@pytest.mark.parametrize(
    "message",
    [
        "Invalid schema for response_format 'completion': 'bad' is not permitted.",
        "Invalid JSON payload received. Unknown name 'bad' at 'generation_config.response_schema': Cannot find",
        "A schema in GenerationConfig in the request exceeds the maximum allowed nesting depth.",
    ],
)
async def test_refused_schema_does_not_change_other_schemas(server, opened, message):
    def rule(body):
        return error(message) if "bad" in str(body.get("response_format", {}).get("json_schema")) else None

    server.rules = [rule]
    model = opened()
    bad = replace(PROMPT, json_schema={**SCHEMA, "properties": {"bad": {"type": "integer"}}, "required": ["bad"]})
    for prompt in (bad, bad, SCHEMA_PROMPT):
        await model.complete(prompt)
    kinds = [kind(body) for body in server.bodies]
    assert kinds == ["json_schema", "json_schema", "json_object", "json_object", "json_schema"]


async def test_format_that_was_taken_before_is_refused_for_one_schema_only(server, opened):
    model = opened()
    await model.complete(SCHEMA_PROMPT)
    server.rules = [lambda body: error("Bad Request") if "bad" in str(body.get("response_format")) else None]
    bad = replace(PROMPT, json_schema={**SCHEMA, "properties": {"bad": {"type": "integer"}}, "required": ["bad"]})
    for prompt in (bad, bad, SCHEMA_PROMPT):
        await model.complete(prompt)
    kinds = [kind(body) for body in server.bodies[1:]]
    assert kinds == ["json_schema", "json_object", "json_object", "json_schema"]

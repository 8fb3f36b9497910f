"""The extract task."""

import json
from typing import Any

import pytest

from carteiro.models.errors import InvalidOutput, InvalidPrompt, PromptTooLarge
from tests.unit.services.conftest import TOO_LONG
from tests.unit.services.fake_small_model import run_task

FIELDS: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TEXT = "Maria, 34, works in Porto."


def said(data: Any, **quotes: str) -> str:
    return json.dumps({"data": data, "quotes": [{"path": path, "quote": quote} for path, quote in quotes.items()]})


async def test_values_come_with_their_places(ask, provider):
    answer = said({"name": "Maria", "age": 34}, name="Maria", age="34")
    done = await ask("extract", [answer], text=TEXT, fields=FIELDS)
    assert done.result.data == {"name": "Maria", "age": 34}
    assert (done.result.spans, done.result.parts) == ({"name": [0, 5], "age": [7, 9]}, 1)
    schema = provider.requests[-1].body["response_format"]["json_schema"]
    assert schema["strict"]
    assert schema["schema"]["properties"]["data"] == FIELDS


@pytest.mark.parametrize(
    ("ungrounded", "data", "spans"),
    [
        ("mark", {"name": "Ana", "age": 34}, {"name": None, "age": [7, 9]}),
        ("drop", {"age": 34}, {"age": [7, 9]}),
    ],
)
async def test_value_that_is_not_in_the_text_is_marked_or_dropped(ask, ungrounded, data, spans):
    answer = said({"name": "Ana", "age": 34}, name="Ana")
    done = await ask("extract", [answer], text=TEXT, fields=FIELDS, ungrounded=ungrounded)
    assert (done.result.data, done.result.spans) == (data, spans)


async def test_long_text_is_read_in_parts(ask):
    parts = [TOO_LONG, said({"name": "Maria", "age": None}), said({"name": None, "age": 34})]
    done = await ask("extract", parts, text="Maria is here. She is 34 now.", fields=FIELDS)
    assert done.result.data == {"name": "Maria", "age": 34}
    assert (done.result.spans, done.result.parts) == ({"name": [0, 5], "age": [22, 24]}, 2)


async def test_field_that_no_part_has_is_null_if_it_may_be(ask):
    fields = {**FIELDS, "properties": {**FIELDS["properties"], "age": {"type": ["integer", "null"]}}}
    none = said({"name": None, "age": None})
    parts = [TOO_LONG, said({"name": "Maria", "age": None}), none]
    done = await ask("extract", parts, text="Maria is here. She is out now.", fields=fields)
    assert (done.result.data, done.result.spans) == ({"name": "Maria", "age": None}, {"name": [0, 5]})


async def test_parts_that_lack_a_required_field_are_invalid_output(ask):
    with pytest.raises(InvalidOutput, match="does not follow fields"):
        await ask(
            "extract",
            [TOO_LONG, said({"name": "Maria"}), said({})],
            text="Maria is here. She is 34 now.",
            fields=FIELDS,
        )


@pytest.mark.parametrize("output", [said({"name": "Maria"}), json.dumps({"name": "Maria", "age": 34}), "no"])
async def test_output_of_another_form_is_asked_for_again(ask, output):
    right = said({"name": "Maria", "age": 34})
    assert (await ask("extract", [output, right], text=TEXT, fields=FIELDS)).result.data["age"] == 34
    with pytest.raises(InvalidOutput, match="does not follow fields"):
        await ask("extract", [output, output], text=TEXT, fields=FIELDS)


async def test_schema_that_refers_to_its_own_id_costs_no_call(ask, provider):
    calls = len(provider.requests)
    parts = {"a": {"$ref": "y#/properties/b"}, "b": {"type": "string"}}
    with pytest.raises(InvalidPrompt, match="fields: is no JSON Schema, or refers to something outside itself"):
        await ask("extract", [], text=TEXT, fields={"$id": "http://x/y", "type": "object", "properties": parts})
    assert len(provider.requests) == calls


async def test_schema_that_is_none_costs_no_call(ask, provider):
    calls = len(provider.requests)
    with pytest.raises(InvalidPrompt, match="fields"):
        await ask("extract", [], text=TEXT, fields={"type": "object", "properties": {"a": {"type": "word"}}})
    assert len(provider.requests) == calls


async def test_small_model_gives_values_and_no_quotes():
    done = await run_task("extract", '{"name": "Maria", "age": 34}', text=TEXT, fields=FIELDS)
    assert done.result.spans == {"name": [0, 5], "age": [7, 9]}
    with pytest.raises(PromptTooLarge, match="the text has 300 words; small extracts from 200"):
        await run_task("extract", "{}", text="word " * 300, fields=FIELDS)


async def test_small_model_takes_no_long_words() -> None:
    with pytest.raises(PromptTooLarge, match="has 5,000 characters"):
        await run_task("extract", "{}", text="x" * 5000, fields=FIELDS)


async def test_quotations_beyond_the_limit_are_not_read(ask, monkeypatch):
    fields = {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"type": "boolean"}}}
    monkeypatch.setattr("services.extract.task._MAX_QUOTED_CHARACTERS", 5)
    done = await ask("extract", [said({"a": True, "b": True}, a="Maria", b="34")], text=TEXT, fields=fields)
    assert done.result.spans == {"a": [0, 5], "b": None}

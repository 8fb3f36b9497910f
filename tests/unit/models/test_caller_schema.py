"""A caller's schema: completions are read by it. Neither the schema nor a completion can block a worker."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from carteiro.models.caller_schema import CallerSchema
from carteiro.models.errors import InvalidOutput, InvalidPrompt

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "of": {"type": "array"}},
    "required": ["n"],
    "additionalProperties": False,
}


async def read(text):
    return await CallerSchema(SCHEMA).parse(text)


WRAPPED = [
    '{"n": 1}',
    ' \n{"n": 1}\n ',
    '\ufeff{"n": 1}',
    '```json\n{"n": 1}\n```',
    '```\n{"n": 1}\n```',
    '~~~JSON\n{"n": 1}\n~~~',
    '````jsonc title="x"\n{"n": 1}\n````',
    '```json {"n": 1}```',
    '```json\n{"n": 1}',
    '  ```json\r\n  {"n": 1}\r\n  ```',
    'json\n{"n": 1}',
    'JSON: {"n": 1}',
    'Here is the JSON:\n\n```json\n{"n": 1}\n```\n\nLet me know if you need more.',
    'Sure! {"n": 1} I hope this helps.',
    '{"n": 1}\n{"n": 1}',
    '{"n": 1}{"n":1}',
    '{"n": 1} or, formatted:\n```json\n{\n  "n": 1\n}\n```',
    '<json>{"n": 1}</json>',
    '<answer>\n{"n": 1}\n</answer>',
    '"{\\"n\\": 1}"',
    '[{"n": 1}]',
    '{"answer": {"n": 1}}',
    '{"result": "{\\"n\\": 1}"}',
    '{"properties": {"n": 1}}',
    'The schema is {"type": "object"}, so: {"n": 1}',
    'As for {x}, [see 1] and [1]: {"n": 1}',
    'I use the set {a, b}. {"n": 1}',
    '{"n": 1}\n\n{"note": "this is another shape"}',
    '**Answer**: `{"n": 1}`',
    '{"n": 1}<|im_end|>',
    'assistant\n\n{"n": 1}',
    '{"n": 1};',
]


@pytest.mark.parametrize("text", WRAPPED)
async def test_only_value_of_the_shape_is_read(text):
    data, source = await read(text)
    assert data == json.loads(source) == {"n": 1}


@pytest.mark.parametrize(
    "text",
    [
        '{"n": 1} or maybe {"n": 2}',
        '```json\n{"n": 1}\n```\n```json\n{"n": 2}\n```',
        "",
        "no",
        "1",
        '{"n": 1,}',
        '{"n": 1',
        '{"of": [{"n": 1}, {"n": 2',
        '{"of": [{"n": 1}',
        '{"of": [{"n": 1}], "n": 2, }',
        '{"text": "a cut one {} {\\"n\\": 1}',
        '[{"n": 1}, {"n": 2}]',
        '{"a": {"n": 1}, "b": {"n": 2}}',
        '{"n": NaN}',
        '{"n": 1e999}',
        '{"n": "\\ud800"}',
        "{'n': 1}",
    ],
)
async def test_no_value_two_values_and_broken_values_are_invalid(text):
    with pytest.raises(InvalidOutput, match="json_schema"):
        await read(text)


async def test_value_of_another_shape_is_reported_with_its_position():
    with pytest.raises(InvalidOutput, match=r"json_schema at n \(`type`\)"):
        await read('Here: {"n": "one"}')
    with pytest.raises(InvalidOutput, match="more than one value"):
        await read('{"n": 1} {"n": 2}')


HOSTILE = {
    "open objects": "{" * 10**6,
    "open lists": "[" * 10**6,
    "open strings": '{"' * 500_000,
    "nested": '{"a":' * 200_000,
    "broken": '{"a":1,' * 150_000,
    "fences": "```json\n" * 120_000,
    "backticks": "`" * 10**6,
    "tildes": "~" * 10**6,
    "short lists": "[1] " * 250_000,
    "long number": '{"n": ' + "9" * 10**6 + "}",
    "objects": '{"m": 1} ' * 110_000,
    "late fault": "[" * 900 + "1," * 400_000 + "x",
    "spaces": ("{" + " " * 60) * 16_000,
    "quotes": '"' * 10**6,
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_megabyte_without_an_answer_is_no_answer_and_costs_this_process_nothing(name):
    began = time.process_time()
    with pytest.raises((InvalidOutput, InvalidPrompt)):
        await read(HOSTILE[name])
    assert time.process_time() - began < 1


def tree(required: tuple[str, ...]) -> dict:
    """Return a schema whose branches all refer to the same part of the data, so that each level doubles the work."""
    branches = [{"properties": {"a": {"$ref": "#/$defs/n"}}, "required": [name]} for name in required]
    return {"type": "object", "$ref": "#/$defs/n", "$defs": {"n": {"anyOf": branches}}}


async def test_schema_with_exponential_time_is_ended_and_the_next_one_is_served():
    deep: dict = {}
    for _ in range(40):
        deep = {"a": deep}
    began = time.process_time()
    with pytest.raises(InvalidPrompt, match="json_schema: takes more than"):
        await CallerSchema(tree(("y", "z"))).parse(json.dumps(deep))
    assert time.process_time() - began < 1
    assert (await read('{"n": 1}'))[0] == {"n": 1}


async def test_schema_with_an_exponential_grammar_is_rejected_before_generation():
    patterns = [{"pattern": f".*a.{{{length}}}"} for length in range(1, 40)]
    schema = {"type": "object", "properties": {"x": {"type": "string", "allOf": patterns}}}
    with pytest.raises(InvalidPrompt, match="json_schema: takes more than"):
        await CallerSchema(schema).check()


def schema_processes() -> list[int]:
    """Return the child processes of this one that apply schemas."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(each) for each in children if b"schema_process" in Path(f"/proc/{each}/cmdline").read_bytes()]


async def test_process_killed_from_outside_fails_no_request():
    assert (await read('{"n": 1}'))[0] == {"n": 1}
    for process in schema_processes():
        os.kill(process, signal.SIGKILL)
    assert (await read('{"n": 1}'))[0] == {"n": 1}


async def test_request_does_not_wait_for_earlier_schemas_that_take_too_long():
    deep: dict = {}
    for _ in range(40):
        deep = {"a": deep}
    slow = [asyncio.ensure_future(CallerSchema(tree(("y", "z"))).parse(json.dumps(deep))) for _ in range(5)]
    await asyncio.sleep(0)
    assert (await read('{"n": 1}'))[0] == {"n": 1}
    assert sum(each.done() for each in slow) < len(slow) / 2
    for failure in await asyncio.gather(*slow, return_exceptions=True):
        assert isinstance(failure, InvalidPrompt)


async def test_schema_that_takes_too_long_leaves_no_process_and_no_open_file():
    deep: dict = {}
    for _ in range(40):
        deep = {"a": deep}
    await read('{"n": 1}')
    open_files = []
    for _ in range(3):
        with pytest.raises(InvalidPrompt):
            await CallerSchema(tree(("y", "z"))).parse(json.dumps(deep))
        open_files.append((len(list(Path("/proc/self/fd").iterdir())), len(schema_processes())))
    assert len(set(open_files)) == 1


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"x": {"type": "canary"}}},
        {"type": "object", "properties": {"x": {"pattern": "(canary"}}},
        {"type": "object", "properties": {"x": {"pattern": r"(\p{L}{100}){9}canary"}}},
        {"type": "object", "properties": {"x": {"$ref": "http://127.0.0.1:9/canary"}}},
        {"type": "object", "properties": {"x": {"$ref": "#/$defs/canary"}}},
        {"type": "object", "required": "canary"},
        {"type": "object", "enum": ["canary"] * 20_000},
    ],
    ids=["type", "pattern", "large pattern", "elsewhere", "nowhere", "required", "long"],
)
async def test_unusable_schema_is_rejected_and_not_quoted(schema):
    with pytest.raises(InvalidPrompt, match="^fields") as caught:
        await CallerSchema(schema, "fields").check()
    assert "canary" not in caught.value.message.removeprefix("fields.properties.x")


async def test_mismatch_is_shown_to_the_model_and_only_its_position_to_others():
    with pytest.raises(InvalidOutput) as caught:
        await read('{"n": "canary"}')
    assert "canary" in caught.value.detail
    assert "canary" not in caught.value.message

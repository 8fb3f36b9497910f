"""Completions of models that may call tools."""

from collections.abc import Sequence
from typing import Any

import pytest

from carteiro.models.caller_schema import CallerSchema
from carteiro.models.errors import InvalidOutput, InvalidPrompt
from carteiro.models.prompt import Message, Prompt, RawToolCall, ToolDefinition
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from carteiro.schemas.generate import GenerateRequest
from carteiro.tasks.tools import MAX_CHARACTERS, ToolSet, checked_calls, complete_request, tool_definitions

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TOOLS = [
    {"type": "function", "function": {"name": "roll", "parameters": SCHEMA}},
    {"type": "function", "function": {"name": "now"}},
]
GOOD = RawToolCall("aaaaaaaaa", "roll", '{"n": 6}')
NAMED = {"type": "function", "function": {"name": "roll"}}
USAGE = Usage(input_tokens=2, output_tokens=1)


class ScriptedModel:
    """Model that gives one answer after the other."""

    def __init__(self, *answers: Completion) -> None:
        self.answers, self.prompts = list(answers), list[Prompt]()

    async def complete(self, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        return self.answers.pop(0)


def calls(*made: RawToolCall, text: str = "", reason: Any = "tool_calls") -> Completion:
    return Completion(text, reason, USAGE, None, made)


def says(text: str) -> Completion:
    return Completion(text, "stop", USAGE)


async def complete(model: ScriptedModel, tool_choice: Any = "auto", tools: Sequence[Any] = TOOLS) -> Completion:
    request = GenerateRequest.model_validate({"prompt": "x", "tools": list(tools), "tool_choice": tool_choice})
    return await complete_request(request, model, Prompt(messages=[Message("user", "x")]))  # type: ignore[arg-type]


async def test_right_calls_are_returned_as_data() -> None:
    model = ScriptedModel(calls(GOOD, RawToolCall("bbbbbbbbb", "now", "")))
    made = checked_calls(await complete(model))
    assert [(call.name, call.arguments) for call in made] == [("roll", {"n": 6}), ("now", {})]
    assert [tool.name for tool in model.prompts[0].tools] == ["roll", "now"]


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (RawToolCall("1", "roll", "{"), "not JSON"),
        (RawToolCall("1", "roll", "[]"), "not a JSON object"),
        (RawToolCall("1", "now", "3"), "not a JSON object"),
        (RawToolCall("1", "roll", '{"n": "six"}'), "do not follow the schema"),
        (RawToolCall("1", "roll", ""), "do not follow the schema"),
        (RawToolCall("1", "fly", "{}"), "There is no tool 'fly'. The tools are roll, now."),
    ],
)
async def test_wrong_call_gets_one_more_try(call: RawToolCall, problem: str) -> None:
    model = ScriptedModel(calls(GOOD, call), calls(GOOD))
    done = await complete(model)
    assert done.tool_calls == (GOOD,)
    assert done.usage == USAGE + USAGE
    assistant, first, second = model.prompts[1].messages[1:]
    assert assistant.tool_calls == (GOOD, call)
    assert (first.tool_call_id, second.tool_call_id) == (GOOD.id, "1")
    assert problem in second.content
    with pytest.raises(InvalidOutput, match="calls of tools are wrong") as caught:
        await complete(ScriptedModel(calls(call), calls(call)))
    assert caught.value.usage == USAGE + USAGE


async def test_call_that_is_cut_is_not_tried_again() -> None:
    with pytest.raises(InvalidOutput, match="cut by the limit of output tokens"):
        await complete(ScriptedModel(calls(RawToolCall("1", "roll", '{"n"'), reason="length")))


@pytest.mark.parametrize(
    ("choice", "first", "told"),
    [
        ("required", says("No."), "Call one of the tools."),
        (NAMED, says("No."), "Call the tool roll."),
        (NAMED, calls(RawToolCall("1", "now", "")), "Call the tool roll, and no other."),
    ],
)
async def test_call_that_has_to_be_made_is_asked_for_again(choice: Any, first: Completion, told: str) -> None:
    model = ScriptedModel(first, calls(GOOD))
    assert (await complete(model, choice)).tool_calls == (GOOD,)
    assert model.prompts[1].messages[-1].content == told
    with pytest.raises(InvalidOutput):
        await complete(ScriptedModel(first, first), choice)


async def test_answer_without_a_call_is_an_answer() -> None:
    assert (await complete(ScriptedModel(says("No need.")))).text == "No need."


async def test_tools_are_checked_before_a_call_costs_anything() -> None:
    model = ScriptedModel()
    wrong = {"name": "a", "parameters": {"type": "object", "properties": {"n": {"type": "number?"}}}}
    with pytest.raises(InvalidPrompt, match="tools.0.function.parameters"):
        await complete(model, tools=[{"type": "function", "function": wrong}])
    with pytest.raises(InvalidPrompt, match="characters in all; at most"):
        ToolSet([ToolDefinition("a", "x" * (MAX_CHARACTERS + 1))])


def test_definitions_are_those_of_the_request() -> None:
    request = GenerateRequest.model_validate({"prompt": "x", "tools": TOOLS})
    assert tool_definitions(request) == [ToolDefinition("roll", "", SCHEMA), ToolDefinition("now", "", {})]


async def test_no_schema_is_checked_after_a_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[CallerSchema] = []
    check = CallerSchema.check

    async def record(schema: CallerSchema) -> None:
        checked.append(schema)
        await check(schema)

    monkeypatch.setattr(CallerSchema, "check", record)
    wrong = {"type": "object", "properties": 7}
    with pytest.raises(InvalidPrompt, match=r"tools\.0\.function\.parameters\.properties"):
        await ToolSet([ToolDefinition(str(number), "", wrong) for number in range(100)]).check_schemas()
    assert len(checked) == 1

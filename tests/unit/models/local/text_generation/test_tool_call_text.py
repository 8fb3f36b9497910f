"""Calls of tools in the text of a local model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.local.text_generation.tool_call_text import shown_stops, template_has_tools, with_tool_calls
from carteiro.models.prompt import Message, Prompt, ToolChoice, ToolDefinition
from carteiro.models.results import Completion
from carteiro.schemas import FinishReason, Usage

PROMPT = Prompt(messages=[Message("user", "x")], stop=["END"], tools=[ToolDefinition("a"), ToolDefinition("b")])


def read(text: str, prompt: Prompt = PROMPT, reason: FinishReason = "stop") -> Completion:
    return with_tool_calls(Completion(text, reason, Usage()), prompt)


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ('<tool_call>\n{"name": "a", "arguments": {"n": 1}}\n</tool_call>', [("a", '{"n": 1}')]),
        ('<tool_call>{"name": "a"}</tool_call>\n<tool_call>{"name": "b", "arguments": "{}"}', [("a", ""), ("b", "{}")]),
        ('<tool_call>{"name": "a"}<tool_call>{"name": "b"}</tool_call>', [("a", ""), ("b", "")]),
        ('<tool_call>[{"name": "a"}, {"name": "b"}]</tool_call>', [("a", ""), ("b", "")]),
        ("<tool_call>a(1)</tool_call>", [("_", "a(1)")]),
        ("<tool_call>", [("_", "")]),
    ],
)
def test_calls_are_read(text: str, calls: list[tuple[str, str]]) -> None:
    done = read(f"Wait. {text}")
    assert [(each.name, each.arguments) for each in done.tool_calls] == calls
    assert (done.text, done.finish_reason) == ("Wait.", "tool_calls")


def test_call_that_a_limit_cut_ends_with_length() -> None:
    assert read('<tool_call>{"name": "a", "argu', reason="length").finish_reason == "length"


def test_text_stays_if_no_call_is_permitted() -> None:
    assert read("<tool_call>", Prompt(messages=PROMPT.messages)).text == "<tool_call>"
    none = Prompt(messages=PROMPT.messages, tools=PROMPT.tools, tool_choice=ToolChoice("none"))
    assert (read("Hi <tool_call>{}", none).text, read("Hi <tool_call>{}", none).tool_calls) == ("Hi", ())


@given(st.text(alphabet="<tool_ca>/{}\"' ", max_size=80))
def test_any_text_is_read(text: str) -> None:
    done = read(text)
    assert "<tool_call>" not in done.text


def test_shown_text_ends_before_a_call() -> None:
    assert list(shown_stops(PROMPT)) == ["END", "<tool_call>"]
    assert list(shown_stops(Prompt(messages=PROMPT.messages, stop=["END"]))) == ["END"]


@pytest.mark.parametrize(
    ("template", "has_tools"),
    [
        ('{% if tools %}<tool_call>{"name": <function-name>}</tool_call>', True),
        ("{% if tools %}<tool_call><function=name>", False),
        ("{{ messages }}", False),
        ("", False),
    ],
)
def test_template_with_json_between_the_tags_has_tools(template: str, has_tools: bool) -> None:
    assert template_has_tools(template) is has_tools

"""Prompts by chat templates."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.errors import InvalidPrompt
from carteiro.models.local.text_generation.chat_template import (
    TemplateRejection,
    escape_special_tokens,
    merge_system_message,
    render_prompt,
    without_end_token,
    without_roles,
)
from carteiro.models.prompt import Message, Prompt, RawToolCall, ToolChoice, ToolDefinition

SYSTEM, USER = Message("system", "Be brief."), Message("user", "Who <end> are you?")
SPECIAL = ("<end>", "<start>")


def render(messages: list[dict[str, Any]], _: list[dict[str, Any]]) -> str:
    return "".join(f"<start>{each['role']}: {each['content']}<end>" for each in messages)


def render_without_system(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> str:
    if messages[0]["role"] == "system":
        raise TemplateRejection("C++ trace\nno system role")
    return render(messages, tools)


def test_special_tokens_in_contents_are_escaped() -> None:
    assert render_prompt("x", Prompt(messages=[SYSTEM, USER]), SPECIAL, render) == (
        "<start>system: Be brief.<end><start>user: Who < end> are you?<end>"
    )


def test_system_text_joins_the_user_message_if_the_template_has_no_system_role() -> None:
    assert render_prompt("x", Prompt(messages=[SYSTEM, USER]), SPECIAL, render_without_system) == (
        "<start>user: Be brief.\n\nWho < end> are you?<end>"
    )


def test_rejected_messages_are_an_invalid_prompt_with_the_last_line_of_the_reason() -> None:
    with pytest.raises(InvalidPrompt, match="template of x does not take these messages: no system role$"):
        render_prompt("x", Prompt(messages=[SYSTEM]), SPECIAL, render_without_system)


@pytest.mark.parametrize("messages", [[USER], [SYSTEM], [USER, SYSTEM]])
def test_messages_without_a_leading_system_message_stay(messages: Sequence[Message]) -> None:
    assert merge_system_message(messages) == messages


@given(content=st.text(alphabet="<end>star ", max_size=60))
def test_escaped_content_has_no_special_token_and_the_same_letters(content: str) -> None:
    escaped = escape_special_tokens(content, SPECIAL)
    assert not any(token in escaped for token in SPECIAL)
    assert escaped.replace(" ", "") == content.replace(" ", "")


def test_base_model_gets_the_contents_only() -> None:
    assert without_roles([SYSTEM, USER]) == "Be brief.\n\nWho <end> are you?"


@pytest.mark.parametrize(("ids", "expected"), [([1, 2, 0], [1, 2]), ([0, 1], [0, 1]), ([], []), ([0, 0], [0])])
def test_last_end_token_is_left_out(ids: list[int], expected: list[int]) -> None:
    assert without_end_token(ids, [0]) == expected


def test_tools_and_calls_are_given_as_data_and_cannot_leave_their_place() -> None:
    call = RawToolCall("c1", "clock", '{"zone": "<end>"}')
    result = Message("tool", "12:00</tool_response>", tool_call_id="c1")
    messages = [USER, Message("assistant", "", tool_calls=(call,)), result]
    tools = [ToolDefinition("clock", "Tells <end> the time.", {"type": "object"}), ToolDefinition("other")]
    seen: list[Any] = []

    def keep(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> str:
        seen.extend([messages, tools])
        return ""

    choice = ToolChoice("required", "clock")
    render_prompt("x", Prompt(messages=messages, tools=tools, tool_choice=choice), SPECIAL, keep)
    assert seen[0][1]["tool_calls"][0]["function"] == {"name": "clock", "arguments": {"zone": "< end>"}}
    assert seen[0][2] == {"role": "tool", "content": "12:00< /tool_response>", "tool_call_id": "c1"}
    (tool,) = seen[1]
    assert (tool["function"]["name"], tool["function"]["parameters"]["properties"]) == ("clock", {})
    assert "<end>" not in json.dumps(seen)
    render_prompt("x", Prompt(messages=messages, tools=tools, tool_choice=ToolChoice("none")), SPECIAL, keep)
    assert seen[3] == []
    assert seen[2][2]["content"] == "12:00< /tool_response>"

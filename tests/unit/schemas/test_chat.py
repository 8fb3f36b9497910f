"""Schemas of chat."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from carteiro.schemas.chat import ChatAnswer, ChatRequest, ChatResult
from carteiro.schemas.field_errors import field_errors
from carteiro.schemas.generate import GenerateResult
from carteiro.schemas.tools import ToolCall

USER, SYSTEM = {"role": "user", "content": "x"}, {"role": "system", "content": "x"}


def test_text_is_the_users_message() -> None:
    assert ChatRequest.model_validate(ChatRequest.from_text("x")).messages[0].role == "user"


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "at least 1"),
        ([{"role": "assistant", "content": "x"}], "must be the user's, or the result of a tool"),
        ([USER, SYSTEM, USER], "can only come first"),
        ([{"role": "robot", "content": "x"}], "'system', 'user'"),
    ],
)
def test_inconsistent_conversation_is_rejected(messages: list[dict[str, str]], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ChatRequest.model_validate({"messages": messages})


def test_message_is_shown() -> None:
    assert ChatResult(message=ChatAnswer(content="Lisbon.")).render() == "Lisbon."


CALLS: dict[str, Any] = {"role": "assistant", "tool_calls": [{"id": "a", "name": "clock", "arguments": {}}]}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "12:00"}


def test_result_of_a_tool_follows_its_call_and_may_be_empty() -> None:
    request = ChatRequest.model_validate({"messages": [USER, CALLS, {**RESULT, "content": ""}]})
    assert [message.content for message in request.messages] == ["x", "", ""]
    assert request.search_text == "x"
    assert "tool_calls" not in request.messages[0].model_dump()


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([USER, RESULT], "messages.1: no call before it"),
        ([USER, CALLS, RESULT, RESULT], "messages.3: no call before it"),
        ([USER, CALLS, USER], "messages.2: the results of the calls a have to come before it"),
        ([USER, {**CALLS, "tool_calls": CALLS["tool_calls"] * 2}, RESULT], "two calls have the same id"),
        ([USER, {"role": "tool", "content": "x"}], "has a tool_call_id"),
        ([{**USER, "tool_call_id": "a"}], "has a tool_call_id"),
        ([{**USER, "tool_calls": CALLS["tool_calls"]}], "only a message of the assistant"),
        ([USER, {"role": "assistant", "content": ""}, USER], "at least 1 character"),
        ([{"role": "user"}], "at least 1 character"),
    ],
)
def test_messages_of_tools_that_do_not_fit_are_rejected(messages: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ChatRequest.model_validate({"messages": messages})


def test_result_may_answer_a_call_of_a_stored_conversation() -> None:
    assert ChatRequest.model_validate({"messages": [RESULT], "conversation_id": "c"}).messages[0].role == "tool"


def test_answer_with_calls_can_be_sent_back() -> None:
    call = ToolCall(id="a", name="clock", arguments={}, signature="s")
    answer = ChatAnswer(content="", tool_calls=[call]).model_dump_json()
    ChatRequest.model_validate({"messages": [USER, json.loads(answer), RESULT]})


def test_calls_are_shown() -> None:
    call = ToolCall(id="a", name="clock", arguments={"zone": "UTC"})
    assert ChatResult(message=ChatAnswer(content="", tool_calls=[call])).render() == 'clock({"zone": "UTC"})'
    assert GenerateResult(text="Wait.", tool_calls=[call]).render() == 'Wait.\nclock({"zone": "UTC"})'


@pytest.mark.parametrize(
    ("call", "field"),
    [
        ({"id": "a", "name": "a", "arguments": "{}"}, "messages.1.tool_calls.0.arguments"),
        ({"id": "a", "name": "a", "arguments": {"b": [float("inf")]}}, "messages.1.tool_calls.0.arguments"),
        ({"id": "a", "name": "a b", "arguments": {}}, "messages.1.tool_calls.0.name"),
    ],
)
def test_wrong_call_is_one_error(call: dict[str, Any], field: str) -> None:
    messages = [USER, {"role": "assistant", "tool_calls": [call]}, RESULT]
    with pytest.raises(ValidationError) as caught:
        ChatRequest.model_validate({"messages": messages})
    assert [each.field for each in field_errors(caught.value)] == [field]

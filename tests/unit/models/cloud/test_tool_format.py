"""Tools, calls and results in the requests of the APIs, checked against the types of the providers' SDKs."""

from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from carteiro.models.cloud import chat_completions, completions, messages, responses
from carteiro.models.cloud.request_format import RequestFormat
from carteiro.models.errors import Unsupported
from carteiro.models.prompt import AUTO, Message, Prompt, RawToolCall, ToolChoice, ToolDefinition
from tests.unit.models.cloud.cloud_models import endpoint

SCHEMA = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
CALLS = (RawToolCall("aaaaaaaa1", "clock", '{"zone": "UTC"}'), RawToolCall("call_2", "clock", "nope"))
CONVERSATION = [
    Message("system", "Be brief."),
    Message("user", "What time is it?"),
    Message("assistant", "", tool_calls=CALLS),
    Message("tool", "12:00", tool_call_id="aaaaaaaa1"),
    Message("tool", "", tool_call_id="call_2"),
]
TOOLS = [ToolDefinition("clock", "Tells the time.", SCHEMA), ToolDefinition("dice")]


def prompt(choice: ToolChoice = AUTO, tools: list[ToolDefinition] = TOOLS) -> Prompt:
    return Prompt(messages=CONVERSATION, tools=tools, tool_choice=choice)


def body(api: Any, given: Prompt, kind: Any) -> dict[str, Any]:
    made = api.request(endpoint("http://h/v1", model="m"), given, RequestFormat())
    TypeAdapter(kind).validate_python(made)
    return dict(made)


def test_chat_completions_has_calls_as_text() -> None:
    made = body(chat_completions, prompt(), CompletionCreateParamsNonStreaming)
    assistant, first, second = made["messages"][2:]
    assert assistant["content"] is None
    assert assistant["tool_calls"][0] == {
        "id": "aaaaaaaa1",
        "type": "function",
        "function": {"name": "clock", "arguments": '{"zone": "UTC"}'},
    }
    assert assistant["tool_calls"][1]["function"]["arguments"] == "{}"
    assert first == {"role": "tool", "tool_call_id": "aaaaaaaa1", "content": "12:00"}
    assert second["tool_call_id"] == assistant["tool_calls"][1]["id"] != "call_2"
    assert [each["function"] for each in made["tools"]] == [
        {"name": "clock", "description": "Tells the time.", "parameters": SCHEMA},
        {"name": "dice", "parameters": {"type": "object", "properties": {}}},
    ]
    assert "tool_choice" not in made


def test_schema_without_properties_gets_empty_ones() -> None:
    # OpenAI's error: "Invalid schema for function 'dice': In context=(), object schema missing properties."
    tools = [ToolDefinition("dice", "", {"type": "object", "additionalProperties": False})]
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    assert body(chat_completions, prompt(tools=tools), CompletionCreateParamsNonStreaming)["tools"][0]["function"] == {
        "name": "dice",
        "parameters": schema,
    }
    assert body(responses, prompt(tools=tools), ResponseCreateParamsNonStreaming)["tools"][0]["parameters"] == schema


def test_signature_goes_back_to_gemini() -> None:
    call = RawToolCall("aaaaaaaa1", "clock", "{}", "sig")
    made = chat_completions.request(
        endpoint("http://h/v1"), Prompt(messages=[Message("assistant", "", tool_calls=(call,))]), RequestFormat()
    )
    assert made["messages"][0]["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "sig"}}


def test_responses_has_items() -> None:
    made = body(responses, prompt(), ResponseCreateParamsNonStreaming)
    assert made["input"][2:4] == [
        {"type": "function_call", "call_id": "aaaaaaaa1", "name": "clock", "arguments": '{"zone": "UTC"}'},
        {"type": "function_call", "call_id": made["input"][5]["call_id"], "name": "clock", "arguments": "{}"},
    ]
    assert made["input"][4] == {"type": "function_call_output", "call_id": "aaaaaaaa1", "output": "12:00"}
    assert [each["strict"] for each in made["tools"]] == [False, False]  # the default is True there


def test_messages_has_all_results_in_one_message_of_the_user() -> None:
    made = body(messages, prompt(), MessageCreateParamsNonStreaming)
    assert [each["role"] for each in made["messages"]] == ["user", "assistant", "user"]
    assert made["messages"][1]["content"][0] == {
        "type": "tool_use",
        "id": "aaaaaaaa1",
        "name": "clock",
        "input": {"zone": "UTC"},
    }
    first, second = made["messages"][2]["content"]
    assert first == {"type": "tool_result", "tool_use_id": "aaaaaaaa1", "content": "12:00"}
    assert "content" not in second
    assert made["tools"][1] == {"name": "dice", "input_schema": {"type": "object", "properties": {}}}


def test_messages_defines_the_tools_of_earlier_calls() -> None:
    made = body(messages, prompt(tools=[]), MessageCreateParamsNonStreaming)
    assert [each["name"] for each in made["tools"]] == ["clock"]
    assert made["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("choice", "chat", "response", "message"),
    [
        (ToolChoice("none"), "none", "none", {"type": "none"}),
        (ToolChoice("required"), "required", "required", {"type": "any"}),
        (
            ToolChoice("required", "dice"),
            {"type": "function", "function": {"name": "dice"}},
            {"type": "function", "name": "dice"},
            {"type": "tool", "name": "dice"},
        ),
    ],
)
def test_choice_has_the_form_of_each_api(choice: ToolChoice, chat: Any, response: Any, message: Any) -> None:
    assert body(chat_completions, prompt(choice), CompletionCreateParamsNonStreaming)["tool_choice"] == chat
    assert body(responses, prompt(choice), ResponseCreateParamsNonStreaming)["tool_choice"] == response
    assert body(messages, prompt(choice), MessageCreateParamsNonStreaming)["tool_choice"] == message


def test_completions_api_has_no_tools() -> None:
    with pytest.raises(Unsupported, match="cannot call tools"):
        completions.request(endpoint("http://h/v1"), prompt(), RequestFormat())

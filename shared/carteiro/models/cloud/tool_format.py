"""Tools, calls and their results in the requests of the APIs."""

import json
from collections.abc import Sequence
from typing import Any

from carteiro.models.cloud.content_parts import message_content, messages_file, responses_file
from carteiro.models.cloud.strict_schema import can_be_strict
from carteiro.models.json_output import compact_json
from carteiro.models.prompt import Message, Prompt, RawToolCall, ToolDefinition
from carteiro.models.written_calls import arguments_object, normal_id
from carteiro.text.surrogates import repair_unicode

_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def thinking_json(items: list[dict[str, Any]]) -> str | None:
    """Return a provider's items of thinking as `Completion.thinking` has them: as JSON. Return None if there are none,
    or if one has half a character: providers take them back only as they are.
    """
    text = compact_json(items)
    return text if items and repair_unicode(text) == text else None


def _thinking_items(message: Message) -> list[dict[str, Any]]:
    """Return the items of `thinking_json` that go back before the message's calls."""
    items: list[dict[str, Any]] = json.loads(message.thinking) if message.thinking else []
    return items


def chat_tools(prompt: Prompt) -> dict[str, Any]:
    """Return the fields of a body of Chat Completions that define the prompt's tools.

    `auto` is the default of all servers, and some know no `tool_choice`.
    """
    fields: dict[str, Any] = {"tools": [chat_tool(tool) for tool in prompt.tools]}
    choice = prompt.tool_choice
    if choice.name is not None:
        fields["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif choice.mode != "auto":
        fields["tool_choice"] = choice.mode
    return fields


def chat_tool(tool: ToolDefinition) -> dict[str, Any]:
    """Return a tool as Chat Completions and chat templates have it."""
    return {"type": "function", "function": _described(tool, "parameters")}


def chat_message(message: Message, *, returns_thinking: bool = False) -> dict[str, Any]:
    """Return a message with calls, or with the result of one, as Chat Completions has it; with the thinking before the
    calls if the provider wants it back.
    """
    if message.role == "tool":
        return {
            "role": "tool",
            "tool_call_id": normal_id(message.tool_call_id or ""),
            "content": message.content,
        }
    calls = [
        chat_call(normal_id(call.id), call.name, compact_json(arguments_object(call)), call.signature)
        for call in message.tool_calls
    ]
    thinking = {"reasoning_content": message.thinking or ""} if returns_thinking else {}
    return {"role": message.role, "content": message.content or None, **thinking, "tool_calls": calls}


def chat_call(call_id: str, name: str, arguments: str, signature: str | None) -> dict[str, Any]:
    """Return a call as Chat Completions has it, with Gemini's signature if it has one."""
    extra = {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **extra}


def response_tools(prompt: Prompt) -> dict[str, Any]:
    """Return the fields of a body of Responses that define the prompt's tools. There `strict` is the default."""
    fields: dict[str, Any] = {
        "tools": [
            {"type": "function", **_described(tool, "parameters"), "strict": can_be_strict(tool.parameters)}
            for tool in prompt.tools
        ]
    }
    choice = prompt.tool_choice
    if choice.name is not None:
        fields["tool_choice"] = {"type": "function", "name": choice.name}
    elif choice.mode != "auto":
        fields["tool_choice"] = choice.mode
    return fields


def response_items(message: Message) -> list[dict[str, Any]]:
    """Return a message as items of the input of Responses: the thinking before its text and calls."""
    if message.role == "tool":
        call_id = normal_id(message.tool_call_id or "")
        return [{"type": "function_call_output", "call_id": call_id, "output": message.content}]
    items = _thinking_items(message)
    if message.content or not message.tool_calls:
        items.append({"role": message.role, "content": message_content(message, responses_file, "input_text")})
    for call in message.tool_calls:
        arguments = compact_json(arguments_object(call))
        items.append(
            {"type": "function_call", "call_id": normal_id(call.id), "name": call.name, "arguments": arguments}
        )
    return items


def anthropic_tools(prompt: Prompt) -> dict[str, Any]:
    """Return the fields of a body of Messages that define the prompt's tools
    (https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview).

    The API takes earlier calls only in a request that defines tools.
    """
    tools = [_described(tool, "input_schema") for tool in prompt.tools]
    if not tools:
        names = dict.fromkeys(call.name for message in prompt.messages for call in message.tool_calls)
        if not names:
            return {}
        earlier = [{"name": name, "input_schema": _NO_PARAMETERS} for name in names]
        return {"tools": earlier, "tool_choice": {"type": "none"}}
    choice = prompt.tool_choice
    if choice.name is not None:
        return {"tools": tools, "tool_choice": {"type": "tool", "name": choice.name}}
    kind = {"auto": None, "none": "none", "required": "any"}[choice.mode]
    return {"tools": tools, "tool_choice": {"type": kind}} if kind else {"tools": tools}


def anthropic_turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the messages without the system's as Messages has them.

    Results are blocks of a message of the user, all results of a message in one, and before any text. Thinking stands
    before the calls.
    """
    turns: list[dict[str, Any]] = []
    after_result = False
    for message in messages:
        if message.role == "system":
            continue
        blocks: list[dict[str, Any]]
        if message.role == "tool":
            block = {"type": "tool_result", "tool_use_id": normal_id(message.tool_call_id or "")}
            blocks = [{**block, "content": message.content} if message.content.strip() else block]
        elif message.tool_calls:
            blocks = _thinking_items(message)
            blocks += [{"type": "text", "text": message.content}] if message.content.strip() else []
            blocks += map(_tool_use, message.tool_calls)
        else:
            turns.append({"role": message.role, "content": message_content(message, messages_file)})
            after_result = False
            continue
        role = "user" if message.role == "tool" else message.role
        if message.role == "tool" and after_result:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
        after_result = message.role == "tool"
    return turns


def _tool_use(call: RawToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": normal_id(call.id), "name": call.name, "input": arguments_object(call)}


def _described(tool: ToolDefinition, schema_field: str) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    # OpenAI rejects a schema without `properties`, which tools without parameters leave out.
    return {"name": tool.name, **described, schema_field: {**_NO_PARAMETERS, **tool.parameters}}

"""Conversion of messages to the text of a prompt, by the chat template of a model."""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from carteiro.models.errors import InvalidPrompt
from carteiro.models.json_output import compact_json
from carteiro.models.local.text_generation.tool_call_text import TOOL_TAGS
from carteiro.models.prompt import Message, Prompt
from carteiro.models.written_calls import arguments_object
from carteiro.schemas import ReasoningEffort


class TemplateRejection(Exception):
    """The chat template does not take the messages. The last line of the message is the template's reason."""


def render_prompt(
    name: str,
    prompt: Prompt,
    special_tokens: Collection[str],
    render: Callable[[list[dict[str, Any]], list[dict[str, Any]]], str],
) -> str:
    """Return the text that `render` makes of the prompt's messages and tools, with special tokens in them escaped.

    `name` is the model in an error message. If `render` raises `TemplateRejection`, it gets the messages again, with
    the system text in the first user message. Raise `InvalidPrompt` if it rejects these too.
    """
    reason = ""
    tools = _template_tools(prompt, special_tokens)
    if prompt.tools or any(message.tool_calls for message in prompt.messages):
        special_tokens = (*special_tokens, *TOOL_TAGS)
    for given in (prompt.messages, merge_system_message(prompt.messages)):
        try:
            return render(_template_messages(given, special_tokens), tools)
        except TemplateRejection as error:
            reason = str(error).splitlines()[-1] if str(error) else ""
    raise InvalidPrompt(f"the chat template of {name} does not take these messages: {reason}")


def thinking_variables(effort: ReasoningEffort | None) -> dict[str, Any]:
    """Return the variables of a chat template for an amount of thinking: a switch, under one of two names, and
    gpt-oss's level. A template ignores variables that it does not know.
    """
    if effort is None:
        return {}
    thinks = effort != "none"
    level = {"reasoning_effort": effort} if thinks else {}
    return {"enable_thinking": thinks, "thinking": thinks} | level


def without_roles(messages: Sequence[Message]) -> str:
    """Return the prompt of a base model: the contents only, because the model continues a text and knows no roles."""
    return "\n\n".join(message.content for message in messages)


def without_end_token(ids: list[int], end_tokens: Collection[int]) -> list[int]:
    """Return the tokens of a text without the end token that some tokenizers add."""
    return ids[:-1] if ids and ids[-1] in end_tokens else ids


def merge_system_message(messages: Sequence[Message]) -> list[Message]:
    """Return the messages for a template without a system role, such as Gemma's.

    The system text becomes the start of the first user message.
    """
    if messages[0].role != "system" or len(messages) < 2:
        return list(messages)
    system, first, *rest = messages
    return [Message(first.role, f"{system.content}\n\n{first.content}"), *rest]


def escape_special_tokens(content: str, special_tokens: Iterable[str]) -> str:
    """Return the content with a space inside each special token, so that it cannot end the message."""
    for token in special_tokens:
        if token in content:
            content = content.replace(token, f"{token[0]} {token[1:]}")
    return content


def _template_messages(messages: Sequence[Message], special_tokens: Collection[str]) -> list[dict[str, Any]]:
    return [
        {
            "role": message.role,
            "content": escape_special_tokens(message.content, special_tokens),
            **(_tool_fields(message, special_tokens) if message.tool_calls or message.tool_call_id else {}),
        }
        for message in messages
    ]


def _tool_fields(message: Message, special_tokens: Collection[str]) -> dict[str, Any]:
    if message.tool_call_id:
        return {"tool_call_id": message.tool_call_id}
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": _escaped(arguments_object(call), special_tokens)},
        }
        for call in message.tool_calls
    ]
    return {"tool_calls": calls}


def _template_tools(prompt: Prompt, special_tokens: Collection[str]) -> list[dict[str, Any]]:
    """Return the tools that the model may call; none if it may not."""
    choice = prompt.tool_choice
    described: list[dict[str, Any]] = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": {"type": "object", "properties": {}, **tool.parameters},
            },
        }
        for tool in prompt.tools
        if choice.mode != "none" and choice.name in (None, tool.name)
    ]
    return [_escaped(tool, special_tokens) for tool in described]


def _escaped(data: dict[str, Any], special_tokens: Collection[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(escape_special_tokens(compact_json(data), special_tokens))
    return found

"""The loop between a model and the served tools."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from carteiro.models.errors import InvalidOutput, PromptTooLarge, Unsupported
from carteiro.models.interface import ChatModel
from carteiro.models.prompt import AUTO, Message, Prompt, RawToolCall, ToolChoice
from carteiro.models.results import Completion
from carteiro.models.tool_support import is_about_tools
from carteiro.schemas import Usage
from carteiro.worker.model_calls.chat_model_proxy import ChatModelProxy
from carteiro.worker.tools.request_tools import MAX_RESULT_CHARACTERS, RequestTools, shorten

_MAX_CALLS_A_ROUND = 16
_SHORT_RESULT_CHARACTERS = 500
"""Characters of a result that made the prompt too large."""


class ToolCallingModel(ChatModelProxy[ChatModel]):
    """Chat model that calls the served tools of a request while it completes a prompt."""

    def __init__(self, model: ChatModel, tools: RequestTools) -> None:
        self._model, self._tools = model, tools

    async def complete(self, prompt: Prompt) -> Completion:
        return await complete_with_served_tools(self._model, prompt, self._tools)


async def complete_with_served_tools(model: ChatModel, prompt: Prompt, tools: RequestTools) -> Completion:
    """Return the completion of a prompt after all calls of served tools that the model wants.

    A completion that calls tools of the caller, which the prompt has, ends the loop: calls of served tools next to them
    are left out, and not made. The usage is that of all calls of the model. Raise any error of the model.
    """
    if prompt.json_schema is not None:  # The format of the answer would be that of each call too.
        return await model.complete(prompt)
    tools.begin_attempt()
    callers = {tool.name for tool in prompt.tools}
    # Never changed in place: the journal keeps the prompts of earlier rounds.
    messages: Sequence[Message] = prompt.messages
    usage = Usage()
    max_characters = min(MAX_RESULT_CHARACTERS, model.context_tokens or MAX_RESULT_CHARACTERS)
    results = 0
    for round_number in range(1, tools.max_rounds + 1):
        is_last = round_number == tools.max_rounds
        asked = _with_tools(prompt, messages, tools, is_last=is_last)
        try:
            completion = await _complete(model, asked, results)
        except Unsupported as refused:
            raise (refused if callers or not is_about_tools(refused) else tools.refusal(model.name)) from refused
        except InvalidOutput:
            if asked.tool_choice.mode != "none" or not results:
                raise
            # Some servers ignore `tool_choice`, so the model called a tool once more.
            hint = Message("user", "Answer now, without a tool.")
            completion = await model.complete(replace(asked, messages=[*messages, hint], tools=(), tool_choice=AUTO))
        usage += completion.usage
        calls = tuple(call for call in completion.tool_calls if call.name in callers)
        if calls or is_last or not completion.tool_calls:
            reason = "stop" if not calls and completion.finish_reason == "tool_calls" else completion.finish_reason
            return replace(completion, usage=usage, tool_calls=calls, finish_reason=reason)
        made = completion.tool_calls[:_MAX_CALLS_A_ROUND]
        asking = Message("assistant", completion.text, tool_calls=made, thinking=completion.thinking)
        await tools.begin_calls()
        messages = [*messages, asking, *await _call_all(made, tools, max_characters)]
        results = len(made)
    raise AssertionError("the last round returns")


async def _call_all(calls: Sequence[RawToolCall], tools: RequestTools, max_characters: int) -> list[Message]:
    """Return the messages with the results of the calls, which are made at once."""
    texts = await asyncio.gather(*(tools.call(call, max_characters) for call in calls))
    return [Message("tool", text, tool_call_id=call.id) for call, text in zip(calls, texts, strict=True)]


async def _complete(model: ChatModel, prompt: Prompt, results: int) -> Completion:
    """Complete a prompt that ends with so many results of tools. If it is too large, complete it with shorter ones."""
    try:
        return await model.complete(prompt)
    except PromptTooLarge:
        if not results:
            raise
    head, last = prompt.messages[:-results], prompt.messages[-results:]
    short = [replace(each, content=shorten(each.content, _SHORT_RESULT_CHARACTERS)) for each in last]
    return await model.complete(replace(prompt, messages=[*head, *short]))


def _with_tools(prompt: Prompt, messages: Sequence[Message], tools: RequestTools, *, is_last: bool) -> Prompt:
    """Return the prompt with the messages so far and the tools that the model may call now.

    In the last round, these are only those of the caller.
    """
    own = prompt.tools if prompt.tool_choice.mode != "none" else ()
    if not is_last:
        choice = prompt.tool_choice if own else AUTO
        return replace(prompt, messages=messages, tools=[*own, *tools.definitions], tool_choice=choice)
    if own:
        return replace(prompt, messages=messages, tools=own)
    return replace(prompt, messages=messages, tools=tools.definitions, tool_choice=ToolChoice("none"))

"""Completions of models that may call tools: the calls are checked, and a wrong one gets one more try."""

from collections.abc import Sequence
from dataclasses import replace

from carteiro.models.caller_schema import CallerSchema
from carteiro.models.errors import InvalidOutput, InvalidPrompt
from carteiro.models.interface import ChatModel
from carteiro.models.json_output import compact_json
from carteiro.models.json_search import strict_json
from carteiro.models.prompt import Message, Prompt, RawToolCall, ToolChoice, ToolDefinition
from carteiro.models.results import Completion
from carteiro.models.written_calls import arguments_object
from carteiro.schemas.tools import NamedTool, ToolCall, ToolOptions
from carteiro.tasks.task import complete

MAX_CHARACTERS = 256 * 1024
"""Maximum characters of all tools of a request as JSON."""


class ToolSet:
    """The tools of one request. `field` names them in errors.

    Raise `InvalidPrompt` if they are too large.
    """

    def __init__(self, tools: Sequence[ToolDefinition], field: str = "tools") -> None:
        self.definitions = tools
        self._schemas = {
            tool.name: CallerSchema(tool.parameters, f"{field}.{number}.function.parameters")
            for number, tool in enumerate(tools)
            if tool.parameters
        }
        size = sum(len(tool.description) + len(compact_json(tool.parameters)) for tool in tools)
        if size > MAX_CHARACTERS:
            raise InvalidPrompt(f"{field}: have {size:,} characters in all; at most {MAX_CHARACTERS:,}")

    async def check_schemas(self) -> None:
        """Compile the schemas, before a model call costs anything. Raise `InvalidPrompt` if one is no JSON Schema."""
        # One after the other: the processes that apply schemas are few, and after an error none is needed any more.
        for schema in self._schemas.values():
            await schema.check()

    async def problem(self, call: RawToolCall) -> str | None:
        """Return the reason why a call cannot be made, for the model; None if it can.

        Raise `InvalidPrompt` if the check takes too long.
        """
        if call.name not in {tool.name for tool in self.definitions}:
            return f"There is no tool {call.name[:64]!r}. The tools are {', '.join(t.name for t in self.definitions)}."
        if call.arguments.strip():
            try:
                data = strict_json(call.arguments)
            except ValueError:
                return "The arguments are not JSON."
            if not isinstance(data, dict):
                return "The arguments are not a JSON object."
        schema = self._schemas.get(call.name)
        try:
            if schema is not None:
                await schema.parse(call.arguments if call.arguments.strip() else "{}")
        except InvalidOutput as wrong:
            return f"The arguments do not follow the schema: {wrong.detail or wrong.message}"
        return None


def tool_definitions(options: ToolOptions) -> list[ToolDefinition]:
    """Return the tools of a request for a prompt."""
    functions = [tool.function for tool in options.tools]
    return [ToolDefinition(each.name, each.description, each.parameters) for each in functions]


def tool_choice(options: ToolOptions) -> ToolChoice:
    """Return the limit of the choice for a prompt."""
    if isinstance(options.tool_choice, NamedTool):
        return ToolChoice("required", options.tool_choice.function.name)
    return ToolChoice(options.tool_choice)


def checked_calls(completion: Completion) -> list[ToolCall]:
    """Return the calls of a completion whose calls are known to be right."""
    return [
        ToolCall(id=call.id, name=call.name, arguments=arguments_object(call), signature=call.signature)
        for call in completion.tool_calls
    ]


async def complete_request(request: ToolOptions, model: ChatModel, prompt: Prompt) -> Completion:
    """Return the completion of a prompt with the request's tools. Raise as `complete_with_tools` does, and
    `InvalidPrompt` if the tools are too large, or have a schema that is no JSON Schema.
    """
    if not request.tools:
        return await complete(model, prompt)
    tools = ToolSet(tool_definitions(request))
    await tools.check_schemas()
    prompt = replace(prompt, tools=tools.definitions, tool_choice=tool_choice(request))
    return await complete_with_tools(model, prompt, tools)


async def complete_with_tools(model: ChatModel, prompt: Prompt, tools: ToolSet) -> Completion:
    """Return a completion of a prompt with these tools, whose calls are right: each tool exists, and the arguments
    follow its schema.

    If a call is wrong, or the model calls nothing although it has to, the model is called once more with the errors.
    The usage is that of both calls. A completion that was cut by its token limit is not retried: it would be cut again.
    Raise any error of the model, and `InvalidOutput`.
    """
    first = await complete(model, prompt)
    again = await _correction(first, prompt, tools)
    if not again:
        return first
    if first.finish_reason == "length":
        raise InvalidOutput("the model's call of a tool was cut by the limit of output tokens")
    second = await complete(model, replace(prompt, messages=[*prompt.messages, *again]))
    usage = first.usage + second.usage
    if await _correction(second, prompt, tools):
        failure = InvalidOutput(_failure_message(second, prompt))
        failure.usage = usage
        raise failure
    return replace(second, usage=usage)


async def _correction(completion: Completion, prompt: Prompt, tools: ToolSet) -> list[Message]:
    """Return the messages that tell the model what is wrong with its completion; none if nothing is."""
    wanted = prompt.tool_choice
    if not completion.tool_calls:
        if wanted.mode != "required":
            return []
        written = [Message("assistant", completion.text)] if completion.text.strip() else []
        return [*written, Message("user", f"Call the tool {wanted.name}." if wanted.name else "Call one of the tools.")]
    problems = [await tools.problem(call) for call in completion.tool_calls]
    if wanted.name is not None:
        problems = [
            problem or (None if call.name == wanted.name else f"Call the tool {wanted.name}, and no other.")
            for problem, call in zip(problems, completion.tool_calls, strict=True)
        ]
    if not any(problems):
        return []
    results = [
        Message("tool", problem or "Not called, because another call is wrong. Call it again.", tool_call_id=call.id)
        for call, problem in zip(completion.tool_calls, problems, strict=True)
    ]
    wrong = Message("assistant", completion.text, tool_calls=completion.tool_calls, thinking=completion.thinking)
    return [wrong, *results]


def _failure_message(completion: Completion, prompt: Prompt) -> str:
    if completion.tool_calls:
        return "the model's calls of tools are wrong: a tool that is not there, or arguments against its schema"
    return f"the model did not call {prompt.tool_choice.name or 'a tool'}, although tool_choice demands it"

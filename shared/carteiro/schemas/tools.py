"""Tools that a model may call: their definitions in a request, and the model's calls in the reply."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from carteiro.schemas.list_field import empty_list
from carteiro.schemas.object_root import check_object_root
from carteiro.schemas.reply import ReplySchema
from carteiro.schemas.request import COLLECTION_PATTERN, Schema, Text

MAX_TOOLS = 128
MAX_SERVED = 32
"""Maximum number of names of served tools."""
MAX_CALLS = 128
"""Maximum number of calls in one message."""
TOOL_NAME_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
ToolName = Annotated[str, StringConstraints(pattern=TOOL_NAME_PATTERN)]
ServedName = Annotated[str, StringConstraints(pattern=COLLECTION_PATTERN)]
CallId = Annotated[Text, StringConstraints(max_length=200)]
_MAX_DESCRIPTION, _MAX_SIGNATURE = 16_384, 131_072
"""In characters."""


class ToolFunction(Schema):
    """A function that the caller can run."""

    name: ToolName
    description: str = Field(default="", max_length=_MAX_DESCRIPTION)
    """Description of the function, for the model."""
    parameters: dict[str, Any] = Field(default={})
    """A JSON Schema (draft 2020-12) with an object at its root. The arguments of each call match it."""

    @field_validator("parameters")
    @classmethod
    def _describes_an_object(cls, value: dict[str, Any]) -> dict[str, Any]:
        check_object_root(value or None)
        return value


class Tool(Schema):
    """A tool that the model may call, in OpenAI's form."""

    type: Literal["function"] = "function"
    function: ToolFunction


class NamedFunction(Schema):
    """The name of a function."""

    name: ToolName


class NamedTool(Schema):
    """A tool that the model has to call, in OpenAI's form."""

    type: Literal["function"] = "function"
    function: NamedFunction


class ToolCall(ReplySchema):
    """A call that the model asks for. The caller runs the function and sends its result as a message of the role
    `tool`.
    """

    id: str
    """Id for the message with the result, unique in its conversation."""
    name: str
    """Name of the function."""
    arguments: dict[str, Any]
    """The arguments, which match the function's JSON Schema. They are data, not JSON in a text, so that a reader needs
    no second parser.
    """
    signature: str | None = None
    """Data of the model's provider, which some models require with the result: to be sent back as they are."""

    def render(self) -> str:
        """Return the call as a line for a person."""
        return f"{self.name}({json.dumps(self.arguments, ensure_ascii=False)})"


class EarlierToolCall(Schema):
    """A call of an earlier message of the assistant, as the reply had it."""

    id: CallId
    name: ToolName
    arguments: dict[str, Any]
    signature: str | None = Field(default=None, max_length=_MAX_SIGNATURE)

    @field_validator("arguments")
    @classmethod
    def _have_finite_numbers(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(value, allow_nan=False)
        except ValueError:
            raise ValueError("must have finite numbers") from None
        return value


def _choice_in_one_sentence(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Return the valid choice. Raise one error, not one for each of its forms."""
    try:
        return validate(value)
    except ValidationError:
        form = '{"type": "function", "function": {"name": "NAME"}}'
        raise ValueError(f"must be auto, none, required or {form}") from None


class ToolStep(ReplySchema):
    """A call of a served tool that the worker made."""

    tool: str
    """Name of the tool; of its server, if that could not be reached."""
    arguments: dict[str, Any]
    """The arguments; empty if the model wrote none that can be read, or more than 4,000 characters."""
    result: str
    """The first 1,000 characters of the result, or of the error that the model was told; empty behind the first 200,000
    bytes of all calls.
    """
    result_characters: int
    failed: bool = False
    seconds: float = 0.0
    """Duration of the call."""


class ToolOptions(Schema):
    """Fields of requests whose model may call tools of the caller."""

    tools: list[Tool] = empty_list(max_length=MAX_TOOLS)
    """Tools that the model may call. It calls them in the reply's `tool_calls`; the caller runs them."""
    tool_choice: Annotated[Literal["auto", "none", "required"] | NamedTool, WrapValidator(_choice_in_one_sentence)] = (
        "auto"
    )
    """`auto` leaves the choice to the model, `none` permits no call, `required` demands at least one, and a tool by its
    name demands a call of that tool.
    """

    served_tools: list[ServedName] | None = Field(default=None, max_length=MAX_SERVED)
    """Names of tools that the service runs itself; by default those that its operator chose, and none if empty."""

    @field_validator("tools")
    @classmethod
    def _have_different_names(cls, tools: list[Tool]) -> list[Tool]:
        if len({tool.function.name for tool in tools}) < len(tools):
            raise ValueError("two tools have the same name")
        return tools

    @model_validator(mode="after")
    def _chooses_among_the_tools(self) -> Self:
        if self.tool_choice != "auto" and (problem := _choice_problem(self.tools, self.tool_choice)):
            raise ValueError(problem)
        return self


def _choice_problem(tools: Sequence[Tool], choice: str | NamedTool) -> str | None:
    if not tools:
        return "tool_choice needs tools"
    if isinstance(choice, NamedTool) and choice.function.name not in {tool.function.name for tool in tools}:
        return "tool_choice names no tool of tools"
    return None

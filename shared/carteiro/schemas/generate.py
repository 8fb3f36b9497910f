"""generate: free text from a prompt, or data that matches a JSON Schema."""

import operator
from typing import Annotated, Any, ClassVar, Self

from pydantic import field_validator, model_validator

from carteiro.schemas.attachment import MAX_ATTACHMENTS, Attachment
from carteiro.schemas.list_field import empty_list
from carteiro.schemas.object_root import check_object_root
from carteiro.schemas.reply import Result
from carteiro.schemas.request import CommandOption, Request, StopText, examples
from carteiro.schemas.text_reference import LargeText
from carteiro.schemas.tools import ToolCall, ToolOptions, ToolStep


class GenerateResult(Result):
    """The model's completion."""

    model_config = examples({"text": "The quick brown fox naps.", "data": None, "reasoning": None})

    text: str
    """The completion, without the stop sequence that ended it."""
    data: Any = None
    """The completion as data, if the request gave a JSON Schema; it is valid against the schema."""
    reasoning: str | None = None
    """The model's thinking before it wrote, if `options.reasoning` asks for it and the service shows it."""
    tool_calls: list[ToolCall] = empty_list(exclude_if=operator.not_)
    """Calls of tools that the model asks for, if `finish_reason` is `tool_calls`; else they are left out. `chat` takes
    their results.
    """
    steps: list[ToolStep] = empty_list(exclude_if=operator.not_)
    """Calls of served tools that the worker made for this answer; left out if there are none."""

    def render(self) -> str:
        text = [self.text] if self.text or not self.tool_calls else []
        return "\n".join([*text, *(call.render() for call in self.tool_calls)])


class GenerateRequest(Request[GenerateResult], ToolOptions):
    """Write a completion of the prompt."""

    model_config = examples(
        {"prompt": "Write one sentence about a lighthouse keeper.", "options": {"max_output_tokens": 60}},
        {
            "prompt": "Who is mentioned here? Maria, 34, works in Porto.",
            "json_schema": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                "required": ["name", "age"],
                "additionalProperties": False,
            },
        },
        {"prompt": "Describe the photo.", "attachments": [{"uri": "s3://letters/photo.jpg"}]},
        {"prompt": "List three fruits:\n1.", "options": {"stop": ["\n4."], "temperature": 0.7, "seed": 7}},
    )
    task: ClassVar = "generate"
    result: ClassVar = GenerateResult
    text_field: ClassVar = "prompt"
    streams: ClassVar = True
    writes: ClassVar = True

    prompt: LargeText
    """The prompt for the model."""
    attachments: Annotated[list[Attachment], CommandOption("attach")] = empty_list(max_length=MAX_ATTACHMENTS)
    """Images, files and sounds that the prompt is about."""
    system: str | None = None
    """System instructions, for models that accept them."""
    stop: list[StopText] = empty_list(max_length=4)
    """Another place for `options.stop`."""
    json_schema: Annotated[dict[str, Any] | None, CommandOption("schema")] = None
    """A JSON Schema (draft 2020-12) with an object at its root. The completion then is data that matches it."""

    _check_json_schema = field_validator("json_schema")(check_object_root)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.stop and self.options.stop:
            raise ValueError("has stop and options.stop: leave out one of them")
        if (self.tools or self.served_tools) and self.json_schema is not None:
            raise ValueError("json_schema and tools exclude each other: the arguments of a call have a schema already")
        return self

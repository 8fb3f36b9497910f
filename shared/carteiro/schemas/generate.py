"""generate: free text from a prompt, or data in the shape of a JSON Schema."""

from typing import Any, ClassVar

from pydantic import Field, field_validator

from carteiro.schemas.reply import ReplySchema
from carteiro.schemas.request import Request, Text, examples


class GenerateResult(ReplySchema):
    """What the model wrote."""

    model_config = examples({"text": "The quick brown fox naps.", "data": None})

    text: str
    """The completion, without the stop sequence that ended it."""
    data: Any = None
    """The completion as data, where the request gave a JSON Schema; it is valid against it."""


class GenerateRequest(Request[GenerateResult]):
    """Write what the prompt asks for."""

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
        {"prompt": "List three fruits:\n1.", "stop": ["\n4."], "options": {"temperature": 0.7, "seed": 7}},
    )
    task: ClassVar = "generate"
    result: ClassVar = GenerateResult

    prompt: Text
    """What the model is asked."""
    system: str | None = None
    """Standing instructions, for models that take them."""
    stop: list[Text] = Field(default=[], max_length=4)
    """The completion ends before any of these texts."""
    json_schema: dict[str, Any] | None = None
    """A JSON Schema (draft 2020-12) with an object at its root; the completion then is data of that shape."""

    @field_validator("json_schema")
    @classmethod
    def _has_an_object_at_its_root(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and value.get("type") != "object":
            raise ValueError('must describe an object: {"type": "object", ...}')
        return value

"""What the tests of all engines ask."""

from typing import Any

from carteiro.models.interface import Message, Prompt

COLOUR = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


def user(text: str, **options: Any) -> Prompt:
    return Prompt(messages=[Message("user", text)], **{"max_output_tokens": 24, **options})

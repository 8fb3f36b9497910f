"""Parser of JSON that a model wrote."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from carteiro.models.errors import InvalidOutput
from carteiro.models.json_search import json_values, unwrap
from carteiro.models.prompt import Message, Prompt

_MAX_WRAPPINGS = 3
"""Maximum number of nested wrappings, such as a list of one in a string."""

T = TypeVar("T")


class AmbiguousOutput(InvalidOutput):
    """A completion has more than one JSON value of the requested form."""


def parse_json_output(text: str, check: Callable[[Any], T]) -> tuple[T, str]:
    """Return the result of `check` for the only JSON value of the requested form in a completion, and that value's
    text.

    The value may be fenced, stand in a sentence, be written twice, or be wrapped in a string or in a list of one.
    `check` raises `InvalidOutput` for data of another form. Raise `InvalidOutput` if no value has the form, and
    `AmbiguousOutput` if two values have it.
    """
    wrong: list[InvalidOutput] = []
    found: dict[str, tuple[T, str]] = {}
    for outer, source in json_values(text):
        data, value, failures = outer, source, []
        for _ in range(_MAX_WRAPPINGS):
            try:
                found.setdefault(json.dumps(data, sort_keys=True), (check(data), value))
            except InvalidOutput as failure:
                failures.append(failure)
                if not (inner := unwrap(data)):
                    break
                data = inner[0]
                value = json.dumps(data, ensure_ascii=False)
            else:
                break
        wrong += failures[:1]
    if len(found) == 1:
        return found.popitem()[1]
    if found:
        raise AmbiguousOutput("the model's completion has more than one JSON value of the shape that was asked for")
    raise wrong[0] if len(wrong) == 1 else InvalidOutput("the model's completion is not the JSON that was asked for")


def compact_json(data: Any) -> str:
    """Return data as JSON in one line, with the characters of all languages as they are."""
    return json.dumps(data, ensure_ascii=False)


def schema_instruction(schema: dict[str, Any]) -> str:
    """Return the sentence that asks for JSON of this schema."""
    return f"Answer with JSON alone, of this JSON Schema:\n{json.dumps(schema)}"


def add_schema_instruction(messages: Sequence[Message], schema: dict[str, Any]) -> list[Message]:
    """Return messages that ask for JSON of this schema, at the end of the system message, or else of the first user
    message.
    """
    roles = [message.role for message in messages]
    at = next((roles.index(role) for role in ("system", "user") if role in roles), None)
    if at is None:
        return [Message("user", schema_instruction(schema)), *messages]
    instructed = replace(messages[at], content=f"{messages[at].content}\n\n{schema_instruction(schema)}")
    return [*messages[:at], instructed, *messages[at + 1 :]]


def without_constraint(prompt: Prompt) -> Prompt:
    """Return the prompt with its JSON Schema only as an instruction."""
    if prompt.json_schema is None:
        return prompt
    return replace(prompt, messages=add_schema_instruction(prompt.messages, prompt.json_schema), json_schema=None)

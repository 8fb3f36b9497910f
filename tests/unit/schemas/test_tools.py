"""Schemas of tools in requests."""

from typing import Any

import pytest
from pydantic import ValidationError

from carteiro.schemas.field_errors import explain, field_errors
from carteiro.schemas.generate import GenerateRequest
from carteiro.schemas.tools import MAX_TOOLS


def tool(name: str = "clock", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


@pytest.mark.parametrize("choice", ["auto", "none", "required", named("clock")])
def test_openais_form_is_taken(choice: Any) -> None:
    given = {"tools": [tool(description="x", parameters={"type": "object"})], "tool_choice": choice}
    assert GenerateRequest.model_validate({"prompt": "x", **given}).tools[0].function.name == "clock"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tools": [tool("a b")]}, "tools.0.function.name: must be 1 to 64 of the characters A-Z a-z 0-9 _ -"),
        ({"tools": [tool(parameters={"type": "string"})]}, "must describe an object"),
        ({"tools": [tool(), tool()]}, "tools: two tools have the same name"),
        ({"tools": [tool(f"t{n}") for n in range(MAX_TOOLS + 1)]}, "tools: must have at most 128 entries"),
        ({"tool_choice": "required"}, "tool_choice needs tools"),
        ({"tools": [tool()], "tool_choice": named("other")}, "tool_choice names no tool of tools"),
        ({"tools": [tool()], "tool_choice": "any"}, "tool_choice: must be auto, none, required or {"),
        ({"tools": [tool()], "json_schema": {"type": "object"}}, "json_schema and tools exclude each other"),
        ({"tools": [{"name": "clock"}]}, "tools.0.function: is missing"),
    ],
)
def test_invalid_tools_are_named(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        GenerateRequest.model_validate({"prompt": "x", **fields})
    assert reason in explain(field_errors(caught.value))

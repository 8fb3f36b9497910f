"""JSON Schemas for engines that follow them by llguidance."""

from typing import Any

import llguidance

from carteiro.models.failures import InvalidPrompt

# Free white space is where small models get lost.
COMPACT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def compact(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, with the way to write white space. Raises `InvalidPrompt` for one that cannot be followed.

    Asked here, because an engine that cannot follow a schema may write without it and say nothing.
    """
    grammar = llguidance.LLMatcher.grammar_from_json_schema(schema, overrides=COMPACT)
    if reason := llguidance.LLMatcher.validate_grammar(grammar):
        raise InvalidPrompt(f"json_schema cannot be followed: {reason.splitlines()[0]}")
    return {**schema, "x-guidance": COMPACT}

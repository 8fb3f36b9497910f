"""The grammar of a JSON Schema, by which llguidance keeps a completion inside it."""

from typing import Any

import llguidance

from carteiro.models.failures import InvalidPrompt

COMPACT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""How white space is written: free, it is where small models get lost."""


def grammar_of(schema: dict[str, Any]) -> str:
    """The grammar, which may be none that can be followed."""
    return str(llguidance.LLMatcher.grammar_from_json_schema(schema, overrides=COMPACT))


def compact(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, with the way to write white space. Raises `InvalidPrompt` for one that cannot be followed.

    Asked here, because an engine that cannot follow a schema may write without it and say nothing.
    """
    if reason := llguidance.LLMatcher.validate_grammar(grammar_of(schema)):
        raise not_followed(reason)
    return {**schema, "x-guidance": COMPACT}


def not_followed(reason: str) -> InvalidPrompt:
    """The failure for a schema that cannot be followed."""
    return InvalidPrompt(f"json_schema cannot be followed: {reason.splitlines()[0]}")

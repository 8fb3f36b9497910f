"""Grammars of JSON Schemas, by which llguidance constrains completions."""

from typing import Any

import llguidance

from carteiro.models.errors import InvalidPrompt

_MAX_REASON_CHARACTERS = 200
"""Maximum length of the reason in an error message, in characters."""

COMPACT_WHITESPACE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""Fixed white space of the JSON, because small models get lost in free white space."""


def schema_grammar(schema: dict[str, Any]) -> str:
    """Return the grammar of a schema. It may be invalid: the caller has to check it."""
    return str(llguidance.LLMatcher.grammar_from_json_schema(schema, overrides=COMPACT_WHITESPACE))


def with_compact_whitespace(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with fixed white space. Raise `InvalidPrompt` if llguidance does not support the schema.

    The check is made here, because an engine may silently ignore a schema that it does not support.
    """
    if reason := llguidance.LLMatcher.validate_grammar(schema_grammar(schema)):
        raise unsupported_schema(reason)
    return {**schema, "x-guidance": COMPACT_WHITESPACE}


def unsupported_schema(reason: str) -> InvalidPrompt:
    """Return the error for a schema that llguidance does not support."""
    # Some reasons repeat all patterns of the schema.
    return InvalidPrompt(f"json_schema cannot be followed: {reason.splitlines()[0][:_MAX_REASON_CHARACTERS]}")

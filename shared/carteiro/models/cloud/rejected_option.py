"""The field of a request's body that a refusal is about."""

import re
from collections.abc import Mapping
from typing import Any

from carteiro.models.cloud.error_body import ErrorBody
from carteiro.models.cloud.error_patterns import OUTPUT_LIMIT_WORDS
from carteiro.models.cloud.request_format import LIMIT_FIELDS

PROMPT_FIELDS = ("messages", "input", "prompt", "instructions")
_FIELD_ALIASES = {
    "max_new_tokens": "max_tokens",
    "maxoutputtokens": "max_tokens",
    "maxcompletiontokens": "max_completion_tokens",
    "json_schema": "response_format",
    "json_object": "response_format",
    "guided_json": "response_format",
    "guided_grammar": "response_format",
    "responseformat": "response_format",
    "response_schema": "response_format",
    "response_json_schema": "response_format",
    "responseschema": "response_format",
    "generation_config": "response_format",
    "structured_outputs": "response_format",
    "structured_output": "response_format",
    "output_config": "response_format",
    "include_usage": "stream_options",
    "streamoptions": "stream_options",
    "stop_sequences": "stop",
    "random_seed": "seed",
    "system": "messages",
    "developer": "messages",
}
"""Names of providers behind a gateway for fields that have another name in our requests."""
REQUEST_FIELDS = frozenset(
    "model messages input prompt instructions response_format stream_options stream seed temperature top_p max_tokens "
    "max_completion_tokens max_output_tokens strict text stop store logprobs top_logprobs n user reasoning "
    "reasoning_effort frequency_penalty presence_penalty tools tool_choice metadata service_tier prompt_cache_key "
    "thinking chat_template_kwargs background include".split()
)
"""Names of top-level fields in OpenAI's three APIs."""
QUOTED_FIELD_NAMES = REQUEST_FIELDS | frozenset(_FIELD_ALIASES) | {"inputs"}
"""Quoted words of a message that are names of fields, and not the caller's text."""
_COMMON_WORDS = frozenset(
    "text stop store user n input prompt messages model stream tools metadata reasoning system developer instructions "
    "structured_output inputs thinking background include".split()
)
"""Names that are also plain words: they count only in quotes, or after a word such as `parameter`."""
_NAME = r"['\"`]?([a-z][a-z0-9_]*)"
_FIELD_WORDINGS = (
    re.compile(rf"\bschema for {_NAME}"),
    re.compile(rf"{_NAME}['\"`]? (?:is|are) (?:not|un|deprecated|fixed|only|invalid)"),
    re.compile(
        rf"\b(?:parameters?|arguments?|names?|fields?|options?|keys?|propert(?:y|ies)|keyword)\b"
        rf"[^.\n]{{0,20}}?[:\[{{(]? ?{_NAME}"
    ),
    re.compile(rf"^\W*{_NAME}(?:[.\[][\w.\[\]]*)?['\"`]?: ", re.MULTILINE),
    re.compile(rf"^\W*{_NAME}['\"`]? (?:must|should|cannot|can only|is|may)\b", re.MULTILINE),
    re.compile(rf": {_NAME}['\"`]?\.?$", re.MULTILINE),
)
_QUOTED = re.compile(rf"['\"`]{_NAME}")
_BARE_NAME = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)*\b")
_ROLE = re.compile(r"\b(?:developer|system)\W? (?:role|message|instruction|prompt)|\brole\W+(?:developer|system)")
_SCHEMA = re.compile(
    r"\bjson[ _-]?(?:schema|mode|object)|\bstructured[ _-]outputs?\b|\bguided decoding|\bresponse format"
    r"|\bgrammar\b|\brequired for format"
)
_TOOLS = re.compile(
    r"\btool[ _-]?(?:choice|call(?:s|ing)?|use)\b|\bfunction[ _-]?call(?:s|ing)?\b|\bsupport tools\b|\btools param\b"
)


def rejected_option(body: ErrorBody, message: str, request_body: Any = None) -> str | None:
    """Return the name of the top-level field that an error is about, as the request has it.

    Return None if the error names no field. `request_body` is the request's body, if it is known.
    """
    name = top_level_field(body.param) or _field_in_message(message.lower())
    return request_field_name(name, request_body)


def request_field_name(name: str | None, request_body: Any) -> str | None:
    """Return the request's name for the field that a provider calls `name`."""
    fields = request_body if isinstance(request_body, Mapping) else {}
    if name in fields:
        return name
    if name in LIMIT_FIELDS:
        return next((limit for limit in LIMIT_FIELDS if limit in fields), name)
    if name == "response_format" and "text" in fields and isinstance(fields["text"], Mapping):
        return "text"  # The Responses API has the format of output under `text`.
    return name


def _field_in_message(message: str) -> str | None:
    if OUTPUT_LIMIT_WORDS.search(re.sub("['\"`]", "", message)):
        named = next((limit for limit in LIMIT_FIELDS if limit in message), None)
        return named or "max_tokens"
    for pattern in (*_FIELD_WORDINGS, _QUOTED):
        for match in pattern.finditer(message):
            if name := top_level_field(match[1]):
                return name
    for match in _BARE_NAME.finditer(message):
        if match[0] not in _COMMON_WORDS and len(match[0]) > 3 and (name := top_level_field(match[0])):
            return name
    if _TOOLS.search(message):
        return "tools"
    if _SCHEMA.search(message):
        return "response_format"
    return "messages" if _ROLE.search(message) else None


def top_level_field(path: str | None) -> str | None:
    """Return the top-level field of a path such as `response_format.json_schema.strict`, or None."""
    parts = [part for part in re.split(r"[.\[\]\s]+", (path or "").lower().strip("'\"`")) if part and part != "body"]
    name = "reasoning_effort" if parts[:2] == ["output_config", "effort"] else parts[0] if parts else ""
    name = _FIELD_ALIASES.get(name, name)
    return name if name in REQUEST_FIELDS else None

"""The part of a request that a refusal is about, if the refusal names it."""

import re
from enum import Enum

from carteiro.models.errors import ModelError

SYSTEM_ROLE = "system"
"""Messages of the role `system`. They are not a field of a body, but a model may refuse them."""

_FIELDS = {
    "response_format": r"response[_ ]?format|json[_ ](?:schema|object|mode|output)|structured[_ -]output|guided"
    r"|grammar|\bschema\b|response_?schema",
    "text": r"text\.format",
    "strict": r"\bstrict\b",
    "stream_options": r"stream[_ ]options|include_usage",
    "stream": r"\bstream(?:ing)?\b",
    "seed": r"\bseed\b",
    "temperature": r"\btemperature\b",
    "stop": r"\bstop\b",
    "store": r"\bstore\b",
    "top_p": r"\btop_p\b",
    "service_tier": r"\bservice[ _]tier|\bflex\b",
    "prompt_cache_key": r"\bprompt_cache_key\b",
    "background": r"\bbackground\b",
    "reasoning_effort": r"\breasoning[ _.]effort|\boutput_config\.effort",
    "max_completion_tokens": r"max_completion_tokens",
    "max_tokens": r"max_tokens|max_new_tokens",
    "max_output_tokens": r"max_output_tokens|output limit",
    SYSTEM_ROLE: r"(?:system|developer)[ '\"`]*(?:role|message|prompt|instruction)"
    r"|\broles?\b[^.]{0,40}(?:system|developer)|\broles? must alternate",
}
_WORDS = re.compile("|".join(f"(?P<{name}>{words})" for name, words in _FIELDS.items()), re.IGNORECASE)
_STRICT = re.compile(r"\bstrict\b", re.IGNORECASE)
_THIS_SCHEMA = re.compile(
    r"(?:invalid|malformed|bad|unsupported) (?:json )?schema|schema (?:is|was) (?:invalid|not valid)"
    r"|response_?schema|\bschema\b.{0,40}(?:exceeds|too many|too deep|nesting|depth)",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"too (?:large|small|big|high|low|many)|at (?:least|most)|less than|greater than|minimum|maximum value|must be "
    r"|below|above|exceed|out of range|between|[<>]=?|higher|larger|limit was reached|supports at most",
    re.IGNORECASE,
)
_REASONING_LEVEL = re.compile(r"\bvalues?\b|['\"](?:none|minimal)['\"]|\bdisabled\b|input should be", re.IGNORECASE)
_REQUIRED = re.compile(r"required|missing|must be (?:set|specified|provided|given)", re.IGNORECASE)
_USED_UP = re.compile(r"output limit was reached|could not finish the message", re.IGNORECASE)
_SHARED_CONTEXT = re.compile(
    r"(?:in|for) (?:your|the) (?:completion|output)|max(?:_completion|_output|_new)?_tokens", re.IGNORECASE
)


class SchemaRejection(Enum):
    """The part of the format of output that is refused."""

    FORMAT_TYPE = "json_schema or json_object"
    STRICT = "its being strict"
    SCHEMA = "this very schema"


def rejected_field(failure: ModelError) -> str | None:
    """Return the field of the request's body, or `SYSTEM_ROLE`, that the failure is about; None if it names none."""
    if failure.option in _FIELDS:
        return failure.option
    # The refused field is named first. The field to use instead comes later.
    found = _WORDS.search(_provider_message(failure))
    field = found.lastgroup if found else None
    return failure.option if failure.option is not None and field != SYSTEM_ROLE else field


def names_no_field(failure: ModelError) -> bool:
    """Return True if the model rejected the request itself and names no field. An unknown status is not such a
    rejection.
    """
    known = failure.code == "invalid_request" or bool(_provider_message(failure))
    return is_request_rejected(failure) and known and rejected_field(failure) is None


def _provider_message(failure: ModelError) -> str:
    """Return the provider's words. Our words before them hold the model's name, which may be `seed-oss`."""
    return failure.message.partition(": ")[2]


def schema_rejection(failure: ModelError) -> SchemaRejection:
    """Return the part of the format of output that the failure is about."""
    if failure.option == "strict" or _STRICT.search(_provider_message(failure)):
        return SchemaRejection.STRICT
    return SchemaRejection.SCHEMA if _THIS_SCHEMA.search(_provider_message(failure)) else SchemaRejection.FORMAT_TYPE


def is_value_rejected(failure: ModelError) -> bool:
    """Return True if the model knows the field and refuses only its value."""
    return bool(_VALUE.search(_provider_message(failure)))


def is_reasoning_level_rejected(failure: ModelError) -> bool:
    """Return True if the model has levels of thinking and refuses only this one."""
    return bool(_REASONING_LEVEL.search(_provider_message(failure)))


def is_field_missing(failure: ModelError) -> bool:
    """Return True if a field is missing."""
    return bool(_REQUIRED.search(_provider_message(failure)))


def is_output_limit_used_up(failure: ModelError) -> bool:
    """Return True if the limit of output tokens was reached before the first word. OpenAI may report this by a 400."""
    return bool(_USED_UP.search(_provider_message(failure)))


def counts_output_limit(failure: ModelError) -> bool:
    """Return True if a prompt is too large together with the limit of output tokens, as vLLM counts it."""
    return failure.option is not None or bool(_SHARED_CONTEXT.search(_provider_message(failure)))


def is_request_rejected(failure: ModelError) -> bool:
    """Return True if the model rejected the request itself. It may take another form of the request."""
    return failure.code in ("unsupported", "invalid_request")

"""Changes of a request's form after which the model may take it, by the model's refusal."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from carteiro.models.cloud.batch_api.interface import RetryMode
from carteiro.models.cloud.reasoning_effort import MIN_LEVELS, REASONING_FIELDS
from carteiro.models.cloud.rejection_cause import (
    SYSTEM_ROLE,
    SchemaRejection,
    counts_output_limit,
    is_field_missing,
    is_output_limit_used_up,
    is_reasoning_level_rejected,
    is_request_rejected,
    is_value_rejected,
    names_no_field,
    rejected_field,
    schema_rejection,
)
from carteiro.models.cloud.request_format import (
    LIMIT_FIELDS,
    LOGPROBS_FIELDS,
    Dialect,
    FormatChange,
    RequestFormat,
    SchemaMode,
    adjustable_parts,
    has_output_format,
    schema_key,
)
from carteiro.models.errors import Misconfigured, ModelError, PromptTooLarge, Unavailable
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion

_MIN_CONCLUSIVE_LIMIT = 16
"""Limit in tokens. Below it an empty completion is no evidence of reasoning."""
_CHOSEN = frozenset({"seed", "temperature", "service_tier"})
"""Fields that are left out if the service chose them."""
_EXTRAS = frozenset({"stream_options", "store", "prompt_cache_key", "background", "include", *LOGPROBS_FIELDS})
"""Fields that do not change the answer."""
_FORMATS = ("response_format", "text", "strict")
_THINKING_MISSING = re.compile(
    r"reasoning_content\b.*(?:passed back|missing)|missing\W+reasoning_content", re.IGNORECASE
)
"""Words of models that demand the thinking before calls back: DeepSeek's, Moonshot's."""


def change_for_error(
    dialect: Dialect, prompt: Prompt, form: RequestFormat, body: Mapping[str, Any], failure: ModelError
) -> FormatChange | None:
    """Return the change after which the model may take the prompt, if the failure names the rejected part."""
    if isinstance(failure, PromptTooLarge):
        fits = _has_service_limit(prompt, body) and counts_output_limit(failure)
        return FormatChange(_omit_limit(body), persistent=False) if fits else None
    if not (is_request_rejected(failure) or (failure.option and isinstance(failure, Unavailable | Misconfigured))):
        return None
    field, step = rejected_field(failure), None
    if not form.returns_thinking and _THINKING_MISSING.search(failure.message):
        step = FormatChange(RequestFormat(returns_thinking=True))
    elif field in _FORMATS:
        step = _weaker_schema_change(dialect, prompt, form, body, failure)
    elif field in LIMIT_FIELDS:
        step = _limit_change(prompt, body, failure, field)
    elif field == "stream":
        step = FormatChange(RequestFormat(omitted=frozenset({field})) if field in body else RequestFormat(streams=True))
    elif field == SYSTEM_ROLE:
        merges = any(message.role == "system" for message in prompt.messages) and "prompt" not in body
        step = FormatChange(RequestFormat(merges_system=True)) if merges else None
    elif field == "stop" and prompt.stop:
        step = FormatChange(RequestFormat(omitted=frozenset({field})), persistent=not is_value_rejected(failure))
    elif field in REASONING_FIELDS and prompt.reasoning == "none":
        step = _less_reasoning_change(form, failure)
    elif field in body and field in _EXTRAS | _CHOSEN & prompt.service_options:
        step = FormatChange(RequestFormat(omitted=frozenset({field})))
    return step


def candidate_changes(
    dialect: Dialect, prompt: Prompt, form: RequestFormat, body: Mapping[str, Any], failure: ModelError
) -> list[FormatChange]:
    """Return changes to try one after the other if a refusal does not say what it is about.

    A field that the model took before is not tried. A schema is tried again, because schemas differ.
    """
    if not names_no_field(failure):
        return []
    new = {part for part in adjustable_parts(body, form) if not dialect.has_accepted(part)}
    omitted = frozenset(new & (_EXTRAS | prompt.service_options & _CHOSEN))
    unlimited = _has_service_limit(prompt, body) and bool(new & set(LIMIT_FIELDS))
    rest = RequestFormat(omitted=omitted, without_limit=unlimited)
    if not has_output_format(body):
        return [FormatChange(change) for change in (RequestFormat(omitted=omitted), rest) if change != RequestFormat()]
    plainer = range(max(form.schema + 1, SchemaMode.JSON_OBJECT), len(SchemaMode))
    steps = [_schema_change(dialect, prompt, form, SchemaMode(schema)) for schema in plainer]
    return steps if rest == RequestFormat() else [*steps, FormatChange(rest | RequestFormat(SchemaMode.PROMPT_ONLY))]


def change_for_truncated_reasoning(
    prompt: Prompt, form: RequestFormat, body: Mapping[str, Any], completion: Completion
) -> FormatChange | None:
    """Return the change that removes the limit of output tokens, if a limit that the service chose has cut the
    reasoning.
    """
    limit = next((body[name] for name in LIMIT_FIELDS if name in body), 0)
    bounded = limit >= _MIN_CONCLUSIVE_LIMIT and _has_service_limit(prompt, body) and not form.without_limit
    thought = completion.reasoning or completion.usage.reasoning_tokens or not completion.text.strip()
    cut = completion.finish_reason == "length"
    return FormatChange(RequestFormat(without_limit=True)) if bounded and cut and thought else None


def adapt_to_batch_result(
    dialect: Dialect,
    prompt: Prompt,
    body: dict[str, Any],
    outcome: ModelError | Completion,
    build_body: Callable[[Prompt], dict[str, Any]],
) -> RetryMode:
    """Learn from the outcome of `body` in a batch, and return the way to retry the prompt. `build_body` gives the body
    in the dialect's present form.
    """
    form, step = dialect.format_for(prompt), None
    if isinstance(outcome, Completion):
        step = change_for_truncated_reasoning(prompt, RequestFormat(), body, outcome)
    elif build_body(prompt) == body:
        step = change_for_error(dialect, prompt, form, body, outcome)
        if step is None and candidate_changes(dialect, prompt, form, body, outcome):
            return RetryMode.LIVE
    if step is not None:
        dialect.learn(step)
    if build_body(prompt) != body and (
        step is not None or (isinstance(outcome, ModelError) and is_request_rejected(outcome))
    ):
        return RetryMode.BATCH
    return RetryMode.LIVE if step is not None else RetryMode.NO


def _less_reasoning_change(form: RequestFormat, failure: ModelError) -> FormatChange | None:
    """Return the change to the model's next level of thinking; to none at all if it has no levels."""
    level = form.min_reasoning + 1
    if is_reasoning_level_rejected(failure) and level < len(MIN_LEVELS):
        return FormatChange(RequestFormat(min_reasoning=level))
    return FormatChange(RequestFormat(omitted=frozenset({"reasoning_effort"})))


def _weaker_schema_change(
    dialect: Dialect, prompt: Prompt, form: RequestFormat, body: Mapping[str, Any], failure: ModelError
) -> FormatChange | None:
    if not has_output_format(body):
        return None
    fault = schema_rejection(failure)
    if fault is not SchemaRejection.FORMAT_TYPE and form.schema is SchemaMode.STRICT:
        step = _schema_change(dialect, prompt, form, SchemaMode.NON_STRICT)
    else:
        step = _schema_change(dialect, prompt, form, SchemaMode(max(form.schema + 1, SchemaMode.JSON_OBJECT)))
    if fault is SchemaRejection.SCHEMA and prompt.json_schema is not None:
        return replace(step, schema=schema_key(prompt.json_schema))
    return step


def _schema_change(dialect: Dialect, prompt: Prompt, form: RequestFormat, schema: SchemaMode) -> FormatChange:
    """Return the change to a weaker schema mode. It is for this schema only if the model took others in this
    mode.
    """
    known = dialect.has_accepted(f"schema {form.schema.name}") and prompt.json_schema is not None
    return FormatChange(
        RequestFormat(schema), schema=schema_key(prompt.json_schema) if known and prompt.json_schema else None
    )


def _limit_change(
    prompt: Prompt, body: Mapping[str, Any], failure: ModelError, field: str | None
) -> FormatChange | None:
    sent = next((name for name in LIMIT_FIELDS if name in body), None)
    if is_field_missing(failure):
        return FormatChange(RequestFormat(requires_limit=True, omitted=frozenset({sent} if sent else ())))
    if sent is None:
        return None
    service = _has_service_limit(prompt, body)
    if is_output_limit_used_up(failure):
        return FormatChange(RequestFormat(without_limit=True)) if service else None
    if field != sent or is_value_rejected(failure):
        return FormatChange(_omit_limit(body), persistent=False) if service else None
    return FormatChange(RequestFormat(omitted=frozenset({sent})))


def _has_service_limit(prompt: Prompt, body: Mapping[str, Any]) -> bool:
    """True if the body has a limit of output tokens that the caller did not choose."""
    ours = prompt.max_output_tokens is None or "max_output_tokens" in prompt.service_options
    return ours and any(name in body for name in LIMIT_FIELDS)


def _omit_limit(body: Mapping[str, Any]) -> RequestFormat:
    return RequestFormat(without_limit=True, omitted=frozenset(name for name in LIMIT_FIELDS if name in body))

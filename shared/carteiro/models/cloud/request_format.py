"""The form of a request's body, and the form that one model takes, as it was learnt from the model's refusals."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from carteiro.models.cloud.content_parts import WriteFile, chat_file, message_content
from carteiro.models.cloud.reasoning_effort import MIN_LEVELS, ReasoningLevel
from carteiro.models.cloud.reasoning_models import is_reasoning_model
from carteiro.models.cloud.tool_format import chat_message
from carteiro.models.json_output import add_schema_instruction
from carteiro.models.prompt import Message, Prompt

_MAX_SCHEMAS = 256
"""Maximum number of schemas that are remembered to need another form than the model's other schemas."""
LIMIT_FIELDS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
"""Names of the limit of output tokens."""

LOGPROBS_FIELDS = ("logprobs", "top_logprobs")
"""Fields that ask for alternative tokens; the second one needs the first."""
_ADJUSTABLE = (
    "stream_options",
    "store",
    "seed",
    "temperature",
    "service_tier",
    "prompt_cache_key",
    "background",
    "include",
    *LOGPROBS_FIELDS,
)
"""Fields that may be left out."""
REASONING_MAX_TOKENS = 4096
"""Limit of output tokens that leaves a model room for reasoning, for APIs that require a limit."""


class SchemaMode(IntEnum):
    """The way in which the schema of the completion is sent to the model, from the strongest to the weakest."""

    STRICT = 0
    """`json_schema` with the field `strict`."""
    NON_STRICT = 1
    """`json_schema` without the field `strict`."""
    JSON_OBJECT = 2
    """`json_object`, with the schema in the prompt. OpenAI and DeepSeek require the word JSON there."""
    PROMPT_ONLY = 3
    """Only the schema in the prompt."""


@dataclass(frozen=True, slots=True)
class RequestFormat:
    """A form of request. `omitted` are fields of the body that are not sent.

    If `without_limit`, a limit of output tokens that the service chose is not sent. If `requires_limit`, a high limit
    is sent instead, and in every request without a limit. If `merges_system`, system messages are written into the
    first message of the user. If it `streams`, the model answers only in pieces. `min_reasoning` is the position of
    the model's least level of thinking in `MIN_LEVELS`. If `returns_thinking`, each message with calls has the field
    `reasoning_content`, with the thinking before them or empty.
    """

    schema: SchemaMode = SchemaMode.STRICT
    omitted: frozenset[str] = frozenset()
    without_limit: bool = False
    requires_limit: bool = False
    merges_system: bool = False
    streams: bool = False
    min_reasoning: int = 0
    returns_thinking: bool = False

    def __or__(self, other: "RequestFormat") -> "RequestFormat":
        return RequestFormat(
            max(self.schema, other.schema),
            self.omitted | other.omitted,
            self.without_limit or other.without_limit,
            self.requires_limit or other.requires_limit,
            self.merges_system or other.merges_system,
            self.streams or other.streams,
            max(self.min_reasoning, other.min_reasoning),
            self.returns_thinking or other.returns_thinking,
        )

    def messages(self, prompt: Prompt, write_file: WriteFile = chat_file) -> list[dict[str, Any]]:
        """Return the prompt's messages in the form of Chat Completions. `write_file` gives that of a file."""
        return [
            chat_message(each, returns_thinking=self.returns_thinking)
            if each.tool_calls or each.role == "tool"
            else {"role": each.role, "content": message_content(each, write_file)}
            for each in self.adapted_messages(prompt)
        ]

    def adapted_messages(self, prompt: Prompt) -> Sequence[Message]:
        """Return the prompt's messages with all that this form writes into them."""
        messages: Sequence[Message] = prompt.messages
        if prompt.json_schema is not None and self.schema >= SchemaMode.JSON_OBJECT:
            messages = add_schema_instruction(messages, prompt.json_schema)
        if self.merges_system:
            messages = _merge_system(messages)
        return messages

    def limit_field(self, prompt: Prompt, *names: str) -> dict[str, int]:
        """Return the limit of output tokens under the first of `names` that is not omitted."""
        service = "max_output_tokens" in prompt.service_options
        limit = None if service and self.without_limit else prompt.max_output_tokens
        if limit is None and self.requires_limit:
            limit = REASONING_MAX_TOKENS
        known = [name for name in names if name not in self.omitted]
        if limit is None or (service and not known):
            return {}
        return {(known or names)[0]: limit}

    def sampling_options(self, prompt: Prompt, seed: str = "seed") -> dict[str, Any]:
        """Return the temperature, `top_p` and the seed that are set, the latter under the name `seed`. A value that the
        caller chose is sent even if the field is omitted.
        """
        options = {"temperature": prompt.temperature, "top_p": prompt.top_p, seed: prompt.seed}
        ours = self.omitted & prompt.service_options
        return {name: value for name, value in options.items() if value is not None and name not in ours}

    def stop_sequences(self, prompt: Prompt) -> list[str]:
        """Return the stop sequences to send. A completion is cut at the others after the call."""
        return [] if "stop" in self.omitted else list(prompt.stop)

    def reasoning_level(self, prompt: Prompt) -> ReasoningLevel | None:
        """Return the level of thinking to send: for `none`, the least that the model has; None to send no level."""
        if prompt.reasoning != "none":
            return prompt.reasoning
        return None if "reasoning_effort" in self.omitted else MIN_LEVELS[self.min_reasoning]

    def schema_format(self, schema: dict[str, Any], strict: bool) -> dict[str, Any] | None:
        """Return the format of output for this schema, as Responses has it; None if only the prompt asks for it."""
        match self.schema:
            case SchemaMode.STRICT:
                return {"type": "json_schema", "name": "completion", "schema": schema, "strict": strict}
            case SchemaMode.NON_STRICT:
                return {"type": "json_schema", "name": "completion", "schema": schema}
            case SchemaMode.JSON_OBJECT:
                return {"type": "json_object"}
            case SchemaMode.PROMPT_ONLY:
                return None


def _merge_system(messages: Sequence[Message]) -> list[Message]:
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    turns = [message for message in messages if message.role != "system"]
    if not system:
        return turns
    if turns and turns[0].role == "user":
        return [turns[0].with_text_before(system), *turns[1:]]
    return [Message("user", system), *turns]


@dataclass(frozen=True, slots=True)
class FormatChange:
    """A change of form. It is remembered for the model, for the `schema` (as JSON) only, or not at all."""

    change: RequestFormat
    schema: str | None = None
    persistent: bool = True


class Dialect:
    """One model's dialect of an API. It begins with the `form` that the provider documents, is learnt from refusals and
    kept for the life of the process.
    """

    def __init__(self, model: str, form: RequestFormat) -> None:
        reasons = is_reasoning_model(model)
        # OpenAI's reasoning models refuse log-probabilities.
        self._format = form | RequestFormat(
            without_limit=reasons, omitted=frozenset(LOGPROBS_FIELDS if reasons else ())
        )
        self._schema_modes: dict[str, SchemaMode] = {}
        self._accepted: set[str] = set()

    def format_for(self, prompt: Prompt) -> RequestFormat:
        """Return the form of the request for this prompt's completion."""
        form = self._format
        if prompt.json_schema is not None and self._schema_modes:
            form = replace(
                form, schema=max(form.schema, self._schema_modes.get(schema_key(prompt.json_schema), form.schema))
            )
        return form

    def learn(self, step: FormatChange) -> None:
        """Remember a change of form after which the model took a request."""
        if not step.persistent:
            return
        if step.schema is None:
            self._format |= step.change
        elif step.schema in self._schema_modes or len(self._schema_modes) < _MAX_SCHEMAS:
            self._schema_modes[step.schema] = max(
                step.change.schema, self._schema_modes.get(step.schema, SchemaMode.STRICT)
            )

    def record_accepted(self, body: Mapping[str, Any], form: RequestFormat) -> None:
        """Record that the model took this body."""
        self._accepted.update(adjustable_parts(body, form))

    def has_accepted(self, part: str) -> bool:
        """Return True if the model took a body with this part: see `adjustable_parts`."""
        return part in self._accepted


def adjustable_parts(body: Mapping[str, Any], form: RequestFormat) -> set[str]:
    """Return the parts of a body that we may change."""
    parts = {name for name in (*LIMIT_FIELDS, *_ADJUSTABLE) if name in body}
    return parts | ({f"schema {form.schema.name}"} if has_output_format(body) else set())


def schema_key(schema: Mapping[str, Any]) -> str:
    """Return the schema as text, the same for the same schema."""
    return json.dumps(schema, sort_keys=True)


def has_output_format(body: Mapping[str, Any]) -> bool:
    """Return True if the body asks for a format of output."""
    return any(name in body for name in ("response_format", "text")) or "format" in body.get("output_config", ())

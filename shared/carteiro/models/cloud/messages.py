"""Anthropic's Messages API (https://platform.claude.com/docs/en/api/messages)."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from carteiro.models.cloud.completion_builder import ResponsePart, build_completion, check_finish
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.message_content import read_parts
from carteiro.models.cloud.provider_options import provider_options, special_tier
from carteiro.models.cloud.reasoning_effort import ReasoningLevel
from carteiro.models.cloud.request_format import REASONING_MAX_TOKENS, RequestFormat, SchemaMode
from carteiro.models.cloud.strict_schema import can_be_strict
from carteiro.models.cloud.tool_format import anthropic_tools, anthropic_turns, thinking_json
from carteiro.models.errors import Unavailable
from carteiro.models.prompt import Prompt
from carteiro.models.reasoning import ReasoningState
from carteiro.models.results import Completion
from carteiro.schemas.media_file import MediaKind

PATH = "/messages"
MEDIA: Collection[MediaKind] = ("image", "pdf")
_MAX_TOKENS = 16_384
"""Limit of output tokens if nobody chose one: the API requires a limit. Every current model writes that much
(https://platform.claude.com/docs/en/about-claude/models/overview)."""
_LIMIT = "max_tokens"
_BUDGET_MODELS = re.compile(r"claude-(?:3-7-sonnet|(?:opus|sonnet|haiku)-4(?:-[015])?)(?:-\d{8}|-latest)?$")
"""Models whose thinking has a budget of tokens. Later ones decide by an effort
(https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking)."""
_THINKING = {"thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}
"""Types of the blocks of thinking, with their fields."""
_THINKING_TOKENS = {"low": 1024, "medium": 8192, "high": 16_384}
"""Budgets of thinking. The API's least is 1,024."""


def request(endpoint: Endpoint, prompt: Prompt, form: RequestFormat) -> dict[str, Any]:
    """Return the request's body.

    The system messages are marked for the prompt cache: they are the same in all requests of a task. The provider does
    not keep short ones (https://platform.claude.com/docs/en/build-with-claude/prompt-caching). With a cache key, which
    says that other prompts begin alike, the messages are marked too. The API has no seed; the provider rejects a
    caller's.
    """
    schema = prompt.json_schema
    in_format = schema is not None and form.schema is SchemaMode.STRICT and can_be_strict(schema)
    if not in_format:
        form = replace(form, schema=SchemaMode.PROMPT_ONLY)
    messages = form.adapted_messages(prompt)
    system = "\n\n".join(each.content for each in messages if each.role == "system")
    turns = anthropic_turns(messages)
    if not turns:
        system, turns = "", [{"role": "user", "content": system}]
    default = REASONING_MAX_TOKENS if _LIMIT in form.omitted else _MAX_TOKENS
    options = provider_options(endpoint, prompt, form, thinking_fields)
    if _excludes_thinking(prompt, options.get("thinking", {}).get("type")):
        options = {name: value for name, value in options.items() if name not in ("thinking", "output_config")}
    body: dict[str, Any] = {
        "model": endpoint.model,
        _LIMIT: default,
        "messages": turns,
        **form.sampling_options(prompt),
        **form.limit_field(prompt, _LIMIT),
        **anthropic_tools(prompt),
        **options,
    }
    asked = prompt.max_output_tokens is not None and "max_output_tokens" not in prompt.service_options
    if (budget := body.get("thinking", {}).get("budget_tokens")) and not asked:
        body[_LIMIT] += budget  # The limit bounds the thinking too.
    if prompt.cache_key is not None:
        body["cache_control"] = {"type": "ephemeral"}
    if system:
        body["system"] = [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]
    if stop := form.stop_sequences(prompt):
        body["stop_sequences"] = stop
    if in_format:
        body["output_config"] = body.get("output_config", {}) | {"format": {"type": "json_schema", "schema": schema}}
    return body


def thinking_fields(model: str, level: ReasoningLevel) -> dict[str, Any]:
    """Return the fields for an amount of thinking. Some models cannot be without it: their least is a low effort."""
    if level == "none":
        return {"thinking": {"type": "disabled"}}
    effort = "low" if level == "minimal" else level
    if _BUDGET_MODELS.search(model):
        return {"thinking": {"type": "enabled", "budget_tokens": _THINKING_TOKENS[effort]}}
    return {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": effort}}


def _excludes_thinking(prompt: Prompt, kind: Any) -> bool:
    """Return True if the API rejects thinking of this kind: the model has to call a tool; or it thinks within a budget,
    and continues after the result of a tool, and the thinking before its call was not kept
    (https://platform.claude.com/docs/en/build-with-claude/extended-thinking, "Extended thinking with tool use").

    A model that decides itself how much it thinks takes such a turn
    (https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking, "Validation changes").
    """
    if prompt.tools and prompt.tool_choice.mode == "required":
        return kind in ("adaptive", "enabled")
    if kind != "enabled" or prompt.messages[-1].role != "tool":
        return False
    return not next((each.thinking for each in reversed(prompt.messages) if each.tool_calls), None)


def _signed_thinking(content: list[Any]) -> str | None:
    """Return the blocks of thinking as JSON; None if there are none, or one that cannot go back: the API takes them
    only as they are.
    """
    blocks = [each for each in content if isinstance(each, dict) and each.get("type") in (*_THINKING,)]
    whole = all(isinstance(block.get(name), str) for block in blocks for name in _THINKING[block["type"]])
    return thinking_json(blocks) if whole else None


def streamed(body: dict[str, Any], form: RequestFormat) -> dict[str, Any]:  # noqa: ARG001
    """Return the request's body for an answer that is streamed."""
    return {**body, "stream": True}


def completion(answer: Any, prompt: Prompt, name: str, beginning: ReasoningState = ReasoningState.ANSWER) -> Completion:
    """Return the completion in the answer's JSON. `name` is the model's name in failures, `beginning` the state of its
    reasoning at the start of the completion.

    Raise the errors of `carteiro.models.errors`, and pydantic's `ValidationError` if the JSON is not such an answer.
    """
    read = _MessageAnswer.model_validate(answer)
    if read.stop_reason == "pause_turn":
        # It interrupts a long turn of the provider's own tools, which are not requested here.
        raise Unavailable(f"{name} paused half way through its answer")
    content = read_parts(read.content)
    if content.text is None and not read.content and read.stop_reason == "end_turn":
        content.add_text("")  # The model had nothing to add.
    ended = check_finish(content, read.stop_reason, name, prompt)
    done = build_completion(
        content,
        ended,
        read.usage,
        prompt=prompt,
        stop=prompt.stop,
        beginning=beginning,
        tier=special_tier(read.usage),
    )
    return replace(done, thinking=_signed_thinking(read.content)) if done.tool_calls else done


class _MessageAnswer(ResponsePart):
    content: list[Any]
    stop_reason: Any = None
    usage: Any = None

"""Amounts of thinking in the fields of each provider. A row of a provider names its function.

Each function takes the model's name and the level, and returns fields of the request's body. `minimal` is a level
between `none` and `low`, which some models have in place of `none`.
"""

import re
from collections.abc import Callable
from typing import Any, Literal

ReasoningLevel = Literal["none", "minimal", "low", "medium", "high"]
ReasoningFields = Callable[[str, ReasoningLevel], dict[str, Any]]

MIN_LEVELS: tuple[ReasoningLevel, ...] = ("none", "minimal", "low")
"""Levels that stand for as little thinking as a model can, in the order in which they are tried."""
REASONING_FIELDS = frozenset({"reasoning_effort", "reasoning", "thinking", "chat_template_kwargs"})
"""Fields that the functions of this module return."""
_QWEN = re.compile(r"qwen", re.IGNORECASE)


def effort_field(_: str, level: ReasoningLevel) -> dict[str, Any]:
    """Return OpenAI's field (https://platform.openai.com/docs/guides/reasoning), which most servers have adopted."""
    return {"reasoning_effort": level}


def reasoning_object(_: str, level: ReasoningLevel) -> dict[str, Any]:
    """Return the field of OpenRouter (https://openrouter.ai/docs/use-cases/reasoning-tokens) and of Responses."""
    return {"reasoning": {"effort": level}}


def all_or_nothing(_: str, level: ReasoningLevel) -> dict[str, Any]:
    """Return the field of models that think or do not (https://docs.mistral.ai/capabilities/reasoning/adjustable,
    https://docs.cohere.com/docs/compatibility-api).
    """
    return {"reasoning_effort": "none" if level in ("none", "minimal") else "high"}


def groq_effort(model: str, level: ReasoningLevel) -> dict[str, Any]:
    """Return Groq's field: Qwen thinks or does not (https://console.groq.com/docs/reasoning)."""
    if _QWEN.search(model):
        return {"reasoning_effort": "none" if level in ("none", "minimal") else "default"}
    return effort_field(model, level)


def thinking_switch(model: str, level: ReasoningLevel) -> dict[str, Any]:
    """Return DeepSeek's fields (https://api-docs.deepseek.com/guides/thinking_mode)."""
    if level in ("none", "minimal"):
        return {"thinking": {"type": "disabled"}}
    return {"thinking": {"type": "enabled"}, **effort_field(model, level)}


def together_effort(model: str, level: ReasoningLevel) -> dict[str, Any]:
    """Return Together's fields (https://docs.together.ai/docs/reasoning-overview)."""
    return {"reasoning": {"enabled": False}} if level == "none" else effort_field(model, level)


def template_switch(model: str, level: ReasoningLevel) -> dict[str, Any]:
    """Return the fields of vLLM and of servers like it: chat templates have a switch, under one of two names, and
    gpt-oss has levels (https://docs.vllm.ai/en/latest/features/reasoning_outputs).
    """
    thinks = level not in ("none", "minimal")
    switch = {"chat_template_kwargs": {"enable_thinking": thinks, "thinking": thinks}}
    return switch | (effort_field(model, level) if thinks else {})

"""Amounts of thinking in the fields of each provider, and the levels that a model refuses."""

from dataclasses import replace
from typing import Any

import pytest

from carteiro.models.cloud.reasoning_effort import REASONING_FIELDS
from carteiro.models.compatible import COMPATIBLE_PROVIDERS
from carteiro.models.errors import Unsupported
from carteiro.models.prompt import Prompt
from carteiro.schemas import ReasoningEffort
from tests.unit.models.cloud.cloud_models import PROMPT, open_cloud_model
from tests.unit.models.cloud.strict_server import Json, error, unknown

SETTINGS = {
    "OPENAI_API_KEY": "k",
    "AZURE_OPENAI_API_KEY": "k",
    "AZURE_OPENAI_ENDPOINT": "http://h",
    "GEMINI_API_KEY": "k",
    "AWS_BEARER_TOKEN_BEDROCK": "k",
    "AWS_REGION": "us-west-2",
} | {row.key: "k" for row in COMPATIBLE_PROVIDERS}
TEMPLATE = {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}
THINKING = {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}, "reasoning_effort": "low"}
EFFORT = ({"reasoning_effort": "none"}, {"reasoning_effort": "low"})
ALL_OR_NOTHING = ({"reasoning_effort": "none"}, {"reasoning_effort": "high"})
FIELDS: dict[str, tuple[Json, Json]] = {
    "openai:gpt-5.1": EFFORT,
    "openai:gpt-5-pro": ({"reasoning": {"effort": "none"}}, {"reasoning": {"effort": "low"}}),
    "azure:x": EFFORT,
    "google:gemini-3.8-flash": EFFORT,
    "bedrock:openai.gpt-oss-120b-1:0": EFFORT,
    "http://h/v1#x": EFFORT,
    "mistral:mistral-small-latest": ALL_OR_NOTHING,
    "groq:openai/gpt-oss-120b": EFFORT,
    "groq:qwen/qwen3-32b": ({"reasoning_effort": "none"}, {"reasoning_effort": "default"}),
    "deepseek:deepseek-v4-pro": (
        {"thinking": {"type": "disabled"}},
        {"thinking": {"type": "enabled"}, "reasoning_effort": "low"},
    ),
    "openrouter:x/y": ({"reasoning": {"effort": "none"}}, {"reasoning": {"effort": "low"}}),
    "together:x/y": ({"reasoning": {"enabled": False}}, {"reasoning_effort": "low"}),
    "fireworks:x": EFFORT,
    "xai:grok-4.7": EFFORT,
    "cohere:command-a-reasoning": ALL_OR_NOTHING,
    "perplexity:sonar-deep-research": EFFORT,
    "cerebras:gpt-oss-120b": EFFORT,
    "nvidia:x/y": (TEMPLATE, THINKING),
    "huggingface:x/y": EFFORT,
    "ollama:qwen3": EFFORT,
    "vllm:Qwen/Qwen3-8B": (TEMPLATE, THINKING),
}


def asked(effort: ReasoningEffort) -> Prompt:
    return replace(PROMPT, reasoning=effort)


def test_every_provider_has_fields_for_thinking() -> None:
    assert {row.scheme for row in COMPATIBLE_PROVIDERS} <= {name.partition(":")[0] for name in FIELDS}


@pytest.mark.parametrize(("name", "fields"), FIELDS.items())
def test_thinking_has_the_form_of_each_provider(name: str, fields: tuple[Json, Json]) -> None:
    model = open_cloud_model(name, **SETTINGS)
    for effort, expected in zip((None, "none", "low"), ({}, *fields), strict=True):
        body = model.body(replace(PROMPT, reasoning=effort))
        assert {field: body[field] for field in REASONING_FIELDS & body.keys()} == expected


def takes(*levels: str, name: str = "reasoning_effort") -> Any:
    """Return the rule of OpenAI's reasoning models for the levels of a model."""

    def rule(body: Json) -> tuple[int, Any] | None:
        value = body.get(name, "medium")
        message = f"Unsupported value: '{name}' does not support '{value}' with this model. Supported values are: "
        return None if value in levels else error(message + repr(levels), param=name, code="unsupported_value")

    return rule


@pytest.mark.parametrize(
    ("levels", "sent"),
    [
        (("none", "low", "medium", "high"), ["none"]),
        (("minimal", "low", "medium", "high"), ["none", "minimal"]),
        (("low", "medium", "high"), ["none", "minimal", "low"]),
    ],
)
async def test_level_none_is_the_least_that_the_model_has(server, opened, levels, sent) -> None:
    server.rules = [takes(*levels)]
    model = opened()
    for _ in range(2):
        await model.complete(asked("none"))
    assert [body["reasoning_effort"] for body in server.bodies] == [*sent, sent[-1]], "the level is remembered"


async def test_model_that_does_not_think_is_called_without_none_and_refuses_more(server, opened) -> None:
    server.rules = [unknown("reasoning_effort")]
    model = opened()
    for _ in range(2):
        await model.complete(asked("none"))
    assert ["reasoning_effort" in body for body in server.bodies] == [True, False, False]
    with pytest.raises(Unsupported, match="reasoning_effort|cannot do"):
        await model.complete(asked("high"))


async def test_completions_api_does_not_think(server, opened) -> None:
    model = opened(api="completions")
    await model.complete(asked("none"))
    assert "reasoning_effort" not in server.bodies[0]
    with pytest.raises(Unsupported, match="does not think"):
        await model.complete(asked("low"))

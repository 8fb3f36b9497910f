"""Reasoning models, recognised by their names."""

import pytest

from carteiro.models.cloud.reasoning_models import is_reasoning_model

THINKING = """
gpt-5 openai/gpt-5-mini prod-gpt5-eu o1 o3-mini my-o4-mini ft:o4-mini:acme::x gpt-oss:20b gemini-2.5-flash
models/gemini-2.5-pro google/gemini-3-pro-preview deepseek-reasoner accounts/x/models/deepseek-r1
deepseek/deepseek-r1:free Qwen/QwQ-32B qwen3:8b magistral-small-2506 x-ai/grok-4 grok-3-mini
anthropic/claude-3.7-sonnet:thinking kimi-thinking-preview zai-org/GLM-4.6 minimax/minimax-m2
nvidia/llama-3.3-nemotron-super-49b-v1 microsoft/phi-4-reasoning
""".split()

NOT_THINKING = """
gpt-4o gpt-4.1-mini gpt-5-chat-latest office365 foo1 string-1 gemini-2.0-flash deepseek-chat deepseek-v3
qwen2.5 grok-3 grok-4-fast-non-reasoning glm-4 kimi-k2-instruct mistral-small echo
""".split()


@pytest.mark.parametrize("name", THINKING)
def test_models_that_think_are_known_by_their_names(name):
    assert is_reasoning_model(name)


@pytest.mark.parametrize("name", NOT_THINKING)
def test_other_models_are_not_taken_to_think(name):
    assert not is_reasoning_model(name)

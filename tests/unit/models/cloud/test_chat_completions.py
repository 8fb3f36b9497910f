"""Requests to the Chat Completions API, and completions from its answers."""

import pytest

from carteiro.models.cloud import chat_completions
from carteiro.models.errors import (
    ContentFiltered,
)
from carteiro.models.interface import Prompt
from carteiro.schemas import Usage
from tests.provider import Provider
from tests.provider import completions as provider
from tests.unit.models.cloud.cloud_models import PROMPT, open_cloud_model


@pytest.mark.parametrize(
    ("given", "usage"),
    [
        (  # OpenAI
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 40},
            },
            Usage(input_tokens=100, output_tokens=50, cached_input_tokens=64, reasoning_tokens=40),
        ),
        (  # Gemini: reasoning tokens are only in the total
            {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623},
            Usage(input_tokens=20, output_tokens=603, reasoning_tokens=405),
        ),
        (  # xAI: reported, and not in the completion
            {
                "prompt_tokens": 20,
                "completion_tokens": 10,
                "total_tokens": 130,
                "completion_tokens_details": {"reasoning_tokens": 100},
            },
            Usage(input_tokens=20, output_tokens=110, reasoning_tokens=100),
        ),
        (  # nulls and gaps
            {"prompt_tokens": 20, "completion_tokens": None, "prompt_tokens_details": {"cached_tokens": None}},
            Usage(input_tokens=20),
        ),
    ],
)
def test_usage_is_read_in_each_format(given: dict, usage: Usage) -> None:
    answer = provider.completion({"model": "m"}, "Lisbon.") | {"usage": given}
    assert chat_completions.completion(answer, PROMPT, "m").usage == usage


@pytest.mark.parametrize("reason", ["content_filter: PROHIBITED_CONTENT", "SAFETY", "RECITATION"])
def test_geminis_filter_reasons_are_filtered(reason: str) -> None:
    with pytest.raises(ContentFiltered):
        chat_completions.completion(provider.completion({"model": "m"}, None, reason), PROMPT, "m")


async def test_a_schema_that_cannot_be_strict_is_not_sent_as_such(provider: Provider) -> None:
    loose = {"type": "object", "properties": {"n": {"type": "integer"}}}
    for name in ("openai:gpt-4.1", "openai:gpt-4.1?api=responses"):
        model = open_cloud_model(name, OPENAI_API_KEY="k", OPENAI_BASE_URL=provider.url)
        await model.complete(Prompt(messages=PROMPT.messages, json_schema=loose))
        await model.close()
    chat, responses = (request.body for request in provider.requests)
    assert chat["response_format"]["json_schema"]["strict"] is False
    assert responses["text"]["format"]["strict"] is False

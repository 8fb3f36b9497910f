"""Requests to the Chat Completions API, and completions from its answers."""

from dataclasses import replace

import pytest

from carteiro.models.cloud import chat_completions
from carteiro.models.errors import ContentFiltered, InvalidOutput, Unsupported
from carteiro.models.prompt import Prompt, ToolChoice
from carteiro.schemas import Usage
from tests.provider import Provider
from tests.provider import completions as provider
from tests.unit.models.cloud.cloud_models import PROMPT, TOOL_PROMPT, open_cloud_model


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


CALL = {"id": "1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}


@pytest.mark.parametrize("reason", ["tool_calls", "stop", "function_call", None])
@pytest.mark.parametrize("content", [None, "", "Wait."])
def test_calls_of_tools_are_read_whatever_the_finish_reason_is(reason: str, content: str | None) -> None:
    answer = provider.completion({"model": "m"}, content, reason, tool_calls=[CALL])
    done = chat_completions.completion(answer, TOOL_PROMPT, "m")
    assert (done.finish_reason, done.text) == ("tool_calls", content or "")
    assert [(call.name, call.arguments) for call in done.tool_calls] == [("clock", "{}")]


def test_call_that_is_cut_ends_with_length() -> None:
    cut = {**CALL, "function": {"name": "clock", "arguments": '{"zone'}}
    answer = provider.completion({"model": "m"}, None, "length", tool_calls=[cut])
    assert chat_completions.completion(answer, TOOL_PROMPT, "m").finish_reason == "length"


def test_calls_that_nobody_asked_for_are_no_answer() -> None:
    answer = provider.completion({"model": "m"}, None, "tool_calls", tool_calls=[CALL])
    with pytest.raises(InvalidOutput, match="called a tool instead of answering"):
        chat_completions.completion(answer, PROMPT, "m")
    none = replace(TOOL_PROMPT, tool_choice=ToolChoice("none"))
    text = provider.completion({"model": "m"}, "Noon.", "tool_calls", tool_calls=[CALL])
    assert chat_completions.completion(text, none, "m").tool_calls == ()


@pytest.mark.parametrize(
    "message",
    [
        "registry.ollama.ai/library/gemma:2b does not support tools",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "Unrecognized request argument supplied: tools",
        "tools is not supported in this model",
    ],
)
async def test_model_without_tools_is_unsupported(provider: Provider, message: str) -> None:
    model = open_cloud_model(f"{provider.url}#m")
    provider.answer({"error": {"message": message, "type": "invalid_request_error"}}, 400)
    with pytest.raises(Unsupported):
        await model.complete(TOOL_PROMPT)
    await model.close()
